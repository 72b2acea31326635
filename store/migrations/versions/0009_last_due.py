"""When each member's last digest was due"""

import sqlalchemy as sa
from alembic import op

import store.types

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('member') as batch_op:
        batch_op.add_column(sa.Column('last_due_at', store.types.UtcDateTime(timezone=True), nullable=True))
    op.execute('UPDATE member SET last_due_at = (SELECT max(not_before) FROM outbox WHERE outbox.member_id = member.id)')


def downgrade() -> None:
    with op.batch_alter_table('member') as batch_op:
        batch_op.drop_column('last_due_at')
