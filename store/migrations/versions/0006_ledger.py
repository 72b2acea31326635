"""The ledger: kinds of messages, what came back, and what a refusal is about"""

import sqlalchemy as sa
from alembic import op

import store.types

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
BEFORE = "state IN ('planned', 'claimed', 'handed_over', 'deferred', 'refused', 'uncertain', 'cancelled')"
AFTER = "state IN ('planned', 'claimed', 'handed_over', 'deferred', 'refused', 'uncertain', 'cancelled', 'bounced', 'complained')"
DIGEST = "kind <> 'digest' OR (digest_id IS NOT NULL AND edition_id IS NOT NULL)"


def upgrade() -> None:
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.add_column(sa.Column('kind', sa.String(), server_default='digest', nullable=False))
        batch_op.add_column(sa.Column('resends', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('dated_at', store.types.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('came_back_at', store.types.UtcDateTime(timezone=True), nullable=True))
        batch_op.alter_column('digest_id', existing_type=KEY, nullable=True)
        batch_op.alter_column('edition_id', existing_type=KEY, nullable=True)
        batch_op.drop_constraint(op.f('ck_outbox_state'), type_='check')
        batch_op.create_check_constraint(op.f('ck_outbox_state'), AFTER)
        batch_op.create_check_constraint(op.f('ck_outbox_kind'), "kind IN ('digest', 'probe')")
        batch_op.create_check_constraint(op.f('ck_outbox_digest'), DIGEST)
    with op.batch_alter_table('delivery', schema=None) as batch_op:
        batch_op.add_column(sa.Column('step', sa.String(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('verdict', sa.String(), server_default='', nullable=False))


def downgrade() -> None:
    with op.batch_alter_table('delivery', schema=None) as batch_op:
        batch_op.drop_column('verdict')
        batch_op.drop_column('step')
    op.execute("UPDATE outbox SET state = 'handed_over' WHERE state IN ('bounced', 'complained')")
    op.execute("DELETE FROM outbox WHERE kind <> 'digest'")
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('ck_outbox_digest'), type_='check')
        batch_op.drop_constraint(op.f('ck_outbox_kind'), type_='check')
        batch_op.drop_constraint(op.f('ck_outbox_state'), type_='check')
        batch_op.create_check_constraint(op.f('ck_outbox_state'), BEFORE)
        batch_op.alter_column('edition_id', existing_type=KEY, nullable=False)
        batch_op.alter_column('digest_id', existing_type=KEY, nullable=False)
        batch_op.drop_column('came_back_at')
        batch_op.drop_column('dated_at')
        batch_op.drop_column('resends')
        batch_op.drop_column('kind')
