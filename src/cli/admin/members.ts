import { updateMembershipRole } from '../../auth/service.ts'
import type { TenantContext } from '../../context.ts'
import { findMemberId, inviteMember, listMembers, removeMember } from '../../tenants/members/service.ts'
import { asOperator } from '../../tenants/operator.ts'
import { readAddress } from '../../tenants/person.ts'
import { createUser } from '../../tenants/service.ts'
import { type AdminCommand, type AdminInput, readRole } from './command.ts'

export const memberCommands: Record<string, AdminCommand> = {
  'create-user': {
    usage: '--tenant S --email E [--role viewer|manager|admin] [--existing]',
    summary:
      'a member at once; somebody new gets a password, printed once; an account of other tenants needs --existing',
    options: ['tenant', 'email', 'role', 'existing'],
    run: async ({ ctx, need, get, is }) => {
      const role = readRole(get('role') ?? 'viewer')
      const isExisting = is('existing')
      const user = await createUser(ctx(), { tenantSlug: need('tenant'), email: need('email'), role, isExisting })
      return { user_id: user.userId, email: user.email, password: user.password }
    },
  },
  'invite-member': {
    usage: '--tenant S --email E [--role viewer|manager|admin]',
    summary: 'prints a token, which is good for seven days and for acceptInvite; the person chooses the password',
    options: ['tenant', 'email', 'role'],
    run: async (input) => {
      const role = readRole(input.get('role') ?? 'viewer')
      const email = readAddress(input.need('email'))
      const { userId, token, expiresAt } = await inviteMember(await operator(input), { email, role })
      const invite_expires_at = expiresAt.toISOString()
      return { user_id: userId, email, role, invite_token: token, invite_expires_at }
    },
  },
  'list-members': {
    usage: '--tenant S',
    options: ['tenant'],
    run: async (input) => {
      const ctx = await operator(input)
      const items = []
      for (let cursor: string | undefined; ; ) {
        const page = await listMembers(ctx, { limit: 100, cursor })
        for (const member of page.items) {
          items.push({
            email: member.email,
            user_id: member.userId,
            role: member.role,
            status: member.status,
            joined_at: member.joinedAt?.toISOString() ?? null,
            invite_expires_at: member.inviteExpiresAt?.toISOString() ?? null,
          })
        }
        if (page.nextCursor === null) break
        cursor = page.nextCursor
      }
      return { columns: ['email', 'user_id', 'role', 'status'], items }
    },
  },
  'set-role': {
    usage: '--tenant S --email E --role viewer|manager|admin',
    options: ['tenant', 'email', 'role'],
    run: async (input) => {
      const role = readRole(input.need('role'))
      const email = readAddress(input.need('email'))
      const ctx = await operator(input)
      const userId = await findMemberId(ctx, email)
      const previous = await updateMembershipRole(ctx, { userId, role })
      return { user_id: userId, email, role, previous_role: previous }
    },
  },
  'remove-member': {
    usage: '--tenant S --email E',
    summary: 'ends the membership and its tokens, or withdraws the invitation; the account stays',
    options: ['tenant', 'email'],
    run: async (input) => {
      const email = readAddress(input.need('email'))
      const ctx = await operator(input)
      const userId = await findMemberId(ctx, email)
      await removeMember(ctx, userId)
      return { user_id: userId, email, removed: true }
    },
  },
}

function operator({ ctx, need }: AdminInput): Promise<TenantContext> {
  return asOperator(ctx(), need('tenant'))
}
