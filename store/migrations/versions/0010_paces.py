"""What was learned about routes and destinations"""

import sqlalchemy as sa
from alembic import op

import store.types

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('pace',
    sa.Column('scope', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('level_per_s', sa.Float(), nullable=False),
    sa.Column('accepted', sa.Integer(), nullable=False),
    sa.Column('strikes', sa.Integer(), nullable=False),
    sa.Column('resting_until', store.types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('paused', sa.Text(), server_default='', nullable=False),
    sa.Column('window_started', store.types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('window_used', sa.Integer(), nullable=False),
    sa.Column('changed_at', store.types.UtcDateTime(timezone=True), nullable=False),
    sa.CheckConstraint("scope IN ('route', 'destination')", name=op.f('ck_pace_scope')),
    sa.PrimaryKeyConstraint('scope', 'name', name=op.f('pk_pace'))
    )


def downgrade() -> None:
    op.drop_table('pace')
