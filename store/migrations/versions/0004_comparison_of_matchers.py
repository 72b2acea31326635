"""Which of two matchers picked an item"""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('picked_item',
    sa.Column('digest_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('item_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('team', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['digest_id'], ['digest.id'], name=op.f('fk_picked_item_digest_id_digest'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['item_id'], ['item.id'], name=op.f('fk_picked_item_item_id_item'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('digest_id', 'item_id', name=op.f('pk_picked_item'))
    )


def downgrade() -> None:
    op.drop_table('picked_item')
