"""Suppressed addresses"""

import sqlalchemy as sa
from alembic import op

import store.types

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('suppression',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('hash', sa.String(), nullable=False),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('basis', sa.Text(), server_default='', nullable=False),
    sa.Column('at', store.types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('lifted_at', store.types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('lifted_why', sa.Text(), server_default='', nullable=False),
    sa.CheckConstraint("reason IN ('bounce', 'complaint', 'request')", name=op.f('ck_suppression_reason')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_suppression'))
    )
    op.create_index('uq_suppression_in_force', 'suppression', ['hash'], unique=True, sqlite_where=sa.text('lifted_at IS NULL'), postgresql_where=sa.text('lifted_at IS NULL'))


def downgrade() -> None:
    op.drop_index('uq_suppression_in_force', table_name='suppression')
    op.drop_table('suppression')
