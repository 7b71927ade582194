import { disableUser, enableUser, resetPassword } from '../../tenants/members/accounts.ts'
import type { AdminCommand } from './command.ts'

export const userCommands: Record<string, AdminCommand> = {
  'disable-user': {
    usage: '--email E',
    summary: 'in all tenants: no log-in, and tokens are refused at once; says which tenants have no admin left',
    options: ['email'],
    run: async ({ ctx, need }) => {
      const { userId, status, tenants, withoutAdmin } = await disableUser(ctx(), need('email'))
      return { user_id: userId, status, tenants, without_admin: withoutAdmin }
    },
  },
  'enable-user': {
    usage: '--email E',
    options: ['email'],
    run: async ({ ctx, need }) => {
      const { userId, status, tenants } = await enableUser(ctx(), need('email'))
      return { user_id: userId, status, tenants }
    },
  },
  'reset-password': {
    usage: '--email E',
    summary: 'prints a new password once, and ends all sessions of the account',
    options: ['email'],
    run: async ({ ctx, need }) => {
      const { userId, status, tenants, password } = await resetPassword(ctx(), need('email'))
      return { user_id: userId, status, tenants, password }
    },
  },
}
