"""The parts of a score"""

import sqlalchemy as sa
from alembic import op

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ('rest', 'field', 'share'):
        op.add_column('digest_item', sa.Column(name, sa.Float(), nullable=True))


def downgrade() -> None:
    for name in ('share', 'field', 'rest'):
        op.drop_column('digest_item', name)
