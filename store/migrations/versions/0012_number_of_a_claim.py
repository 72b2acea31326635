"""The number of a claim"""

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('outbox', sa.Column('claims', sa.Integer(), server_default='0', nullable=False))


def downgrade() -> None:
    op.drop_column('outbox', 'claims')
