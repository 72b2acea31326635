"""Budgets and reach: accounts and what is drawn from them, decisions, shortfalls, and what coordinators may set"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

import store.types

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
LIMITS = ('mails_per_week', 'hours_between_mails', 'asks_per_month')


def upgrade() -> None:
    op.create_table('account',
    sa.Column('id', KEY, autoincrement=True, nullable=False),
    sa.Column('address_key', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    *(sa.Column(name, sa.Integer(), nullable=True) for name in LIMITS),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_account')),
    sa.UniqueConstraint('address_key', name=op.f('uq_account_address_key'))
    )
    op.create_table('draw',
    sa.Column('id', KEY, autoincrement=True, nullable=False),
    sa.Column('account_id', KEY, nullable=False),
    sa.Column('network_id', KEY, nullable=False),
    sa.Column('digest_id', KEY, nullable=True),
    sa.Column('what', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('at', store.types.UtcDateTime(timezone=True), nullable=False),
    *(sa.Column(name, sa.Integer(), nullable=False) for name in ('day', 'mails', 'asks', 'items')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_draw_account_id_account'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['digest_id'], ['digest.id'], name=op.f('fk_draw_digest_id_digest'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['network_id'], ['network.id'], name=op.f('fk_draw_network_id_network'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_draw')),
    sa.UniqueConstraint('digest_id', 'network_id', name=op.f('uq_draw_digest_id_network_id'))
    )
    op.create_index('ix_draw_account_id_day', 'draw', ['account_id', 'day'])
    op.create_table('edition_decision',
    sa.Column('edition_id', KEY, nullable=False),
    sa.Column('first_member', KEY, autoincrement=False, nullable=False),
    sa.Column('last_member', KEY, nullable=False),
    sa.Column('sha256', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('decision', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['edition_id'], ['edition.id'], name=op.f('fk_edition_decision_edition_id_edition'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('edition_id', 'first_member', name=op.f('pk_edition_decision'))
    )
    op.create_table('shortfall',
    sa.Column('edition_id', KEY, nullable=False),
    sa.Column('item_id', KEY, nullable=False),
    sa.Column('needed', sa.Integer(), nullable=False),
    sa.Column('got', sa.Integer(), nullable=False),
    sa.Column('cause', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('counts', sa.JSON(), nullable=False),
    sa.Column('words', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['edition_id'], ['edition.id'], name=op.f('fk_shortfall_edition_id_edition'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['item_id'], ['item.id'], name=op.f('fk_shortfall_item_id_item'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('edition_id', 'item_id', name=op.f('pk_shortfall'))
    )
    for table in ('network', 'member'):
        for name in LIMITS:
            op.add_column(table, sa.Column(name, sa.Integer(), nullable=True))
        op.add_column(table, sa.Column('bridging', sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column('member', sa.Column('combine', sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column('member', sa.Column('asked_at', store.types.UtcDateTime(timezone=True), nullable=True))
    for name in ('reach_needed', 'reach_most', 'answers_wanted'):
        op.add_column('item', sa.Column(name, sa.Integer(), nullable=True))
    op.add_column('item', sa.Column('urgent', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column('item', sa.Column('posted_by', KEY, nullable=True))
    op.add_column('item', sa.Column('approved_by', KEY, nullable=True))
    op.add_column('item', sa.Column('approved_at', store.types.UtcDateTime(timezone=True), nullable=True))
    op.add_column('edition', sa.Column('kind', sa.Text(), server_default='weekly', nullable=False))
    op.add_column('digest_item', sa.Column('note', sa.Text(), server_default='', nullable=False))
    op.add_column('digest_item', sa.Column('dropped', sa.Text(), server_default='', nullable=False))
    op.add_column('left_out', sa.Column('because_of', KEY, nullable=True))


def downgrade() -> None:
    for table, names in {
        'left_out': ('because_of',),
        'digest_item': ('note', 'dropped'),
        'edition': ('kind',),
        'item': ('reach_needed', 'reach_most', 'answers_wanted', 'urgent', 'posted_by', 'approved_by', 'approved_at'),
        'member': (*LIMITS, 'bridging', 'combine', 'asked_at'),
        'network': (*LIMITS, 'bridging'),
    }.items():
        for name in names:
            op.drop_column(table, name)
    for table in ('shortfall', 'edition_decision', 'draw', 'account'):
        op.drop_table(table)
