/** Signing out removes what this browser keeps, drafts included: a person is asked first if there are any. */
import { describe, readRefused } from "../api/problems.ts"
import { session } from "../api/session.ts"
import { observable } from "../observable.ts"
import { unsent } from "../saving/drafts.ts"
import { toasts } from "../ui/toasts.ts"

const { get, set, subscribe } = observable(0)

/** Tells the person if the session goes on all the same. */
async function end(): Promise<void> {
  try {
    const answer = await session.signOut()
    if (answer) toasts.show(describe(await readRefused(answer)))
  } catch {
    toasts.show(describe(null))
  }
}

export const leaving = {
  /** Diagrams with changes that would be lost; 0: nobody is asked. */
  drafts: get,
  subscribe,
  async signOut(account: string | undefined): Promise<void> {
    const left = account ? await unsent(account).catch(() => []) : []
    if (left.length > 0) set(left.length)
    else await end()
  },
  stay(): void {
    set(0)
  },
  async signOutAnyway(): Promise<void> {
    set(0)
    await end()
  },
}
