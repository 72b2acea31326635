"""Mails that came in, what came back, and what is known of addresses"""

import sqlalchemy as sa
import store.types
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def _time(name, nullable=True):
    return sa.Column(name, store.types.UtcDateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table('inbound',
    sa.Column('id', KEY, autoincrement=True, nullable=False),
    sa.Column('digest', sa.String(), nullable=False),
    sa.Column('source', sa.String(), nullable=False),
    sa.Column('recipient', sa.String(), nullable=False),
    _time('received_at', False),
    sa.Column('octets', sa.Integer(), nullable=False),
    sa.Column('raw', sa.LargeBinary(), nullable=True),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    _time('taken_until'),
    sa.Column('outcome', sa.Text(), server_default='', nullable=False),
    _time('settled_at'),
    sa.CheckConstraint("state IN ('waiting', 'done', 'aside')", name=op.f('ck_inbound_state')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inbound')),
    sa.UniqueConstraint('digest', name=op.f('uq_inbound_digest'))
    )
    op.create_index('ix_inbound_state_taken_until', 'inbound', ['state', 'taken_until'])
    op.create_table('came_back',
    sa.Column('id', KEY, autoincrement=True, nullable=False),
    sa.Column('member_id', KEY, nullable=True),
    sa.Column('outbox_id', KEY, nullable=True),
    sa.Column('inbound_id', KEY, nullable=True),
    _time('at', False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('fault', sa.String(), nullable=False),
    sa.Column('status', sa.String(), nullable=False),
    sa.Column('said', sa.Text(), server_default='', nullable=False),
    sa.Column('signed', sa.Boolean(), nullable=False),
    sa.Column('action', sa.String(), nullable=False),
    sa.Column('reason', sa.Text(), server_default='', nullable=False),
    sa.Column('before', sa.JSON(), nullable=False),
    _time('undone_at'),
    sa.Column('undone_by', sa.String(), nullable=False),
    sa.CheckConstraint("kind IN ('bounce', 'complaint', 'refusal', 'waited')", name=op.f('ck_came_back_kind')),
    sa.ForeignKeyConstraint(['member_id'], ['member.id'], name=op.f('fk_came_back_member_id_member'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['outbox_id'], ['outbox.id'], name=op.f('fk_came_back_outbox_id_outbox'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['inbound_id'], ['inbound.id'], name=op.f('fk_came_back_inbound_id_inbound'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_came_back'))
    )
    op.create_index('ix_came_back_outbox_id_kind', 'came_back', ['outbox_id', 'kind'])
    op.create_index('ix_came_back_member_id', 'came_back', ['member_id'])
    op.create_table('reachability',
    sa.Column('hash', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('hard', sa.Integer(), nullable=False),
    _time('first_failed_at'),
    _time('last_failed_at'),
    _time('last_ok_at'),
    sa.Column('probes', sa.Integer(), nullable=False),
    _time('due_at'),
    sa.Column('member_id', KEY, nullable=True),
    sa.CheckConstraint("state IN ('open', 'held', 'probed', 'removed')", name=op.f('ck_reachability_state')),
    sa.ForeignKeyConstraint(['member_id'], ['member.id'], name=op.f('fk_reachability_member_id_member'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('hash', name=op.f('pk_reachability'))
    )
    op.create_index('ix_reachability_due_at', 'reachability', ['due_at'])


def downgrade() -> None:
    op.drop_table('reachability')
    op.drop_table('came_back')
    op.drop_table('inbound')
