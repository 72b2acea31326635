"""When a member was last heard of, what a digest asks them, and the vectors of other networks in a combined mail"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

import store.types

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.create_table('edition_space',
    sa.Column('edition_id', KEY, nullable=False),
    sa.Column('network_id', KEY, nullable=False),
    sa.Column('sha256', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('model', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['edition_id'], ['edition.id'], name=op.f('fk_edition_space_edition_id_edition'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['network_id'], ['network.id'], name=op.f('fk_edition_space_network_id_network'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('edition_id', 'network_id', name=op.f('pk_edition_space'))
    )
    op.add_column('member', sa.Column('seen_at', store.types.UtcDateTime(timezone=True), nullable=True))
    op.add_column('digest', sa.Column('notice', sa.Text(), server_default='', nullable=False))


def downgrade() -> None:
    op.drop_column('digest', 'notice')
    op.drop_column('member', 'seen_at')
    op.drop_table('edition_space')
