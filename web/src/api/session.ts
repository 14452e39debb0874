import { observable } from "../observable.ts"

/**
 * Whether somebody is signed in. The tokens are in HttpOnly cookies that no script can read; the gateway accepts them only
 * from this origin and, for all but GET and HEAD, with the header below.
 *
 * - `unknown`: not asked yet. `unreachable`: asked, and the gateway did not answer.
 * - `expired`: the session ended while the page was open. What is open stays, and waits for a new sign-in.
 */
export type SessionState = "unknown" | "unreachable" | "signed-in" | "expired" | "signed-out"

export const PAGE_HEADER = { "X-AutoGraph-Page": "1" }

/** Set while somebody is signed in with this browser, so that a first visit asks for no session. It proves nothing. */
const SIGNED_IN = "autograph.signed-in"

const { get, set, subscribe } = observable<SessionState>("unknown")
let renewing: Promise<boolean> | null = null
const otherTabs = new BroadcastChannel("autograph:session")

function become(next: SessionState): void {
  const before = get()
  if (next === before) return
  if (next === "signed-in") localStorage.setItem(SIGNED_IN, "1")
  if (next === "signed-out") localStorage.removeItem(SIGNED_IN)
  set(next)
  // Nothing of this person stays in the page for the next one.
  if (next === "signed-out" && (before === "signed-in" || before === "expired")) location.assign("/")
}

otherTabs.onmessage = ({ data }: MessageEvent<"signed-in" | "ended" | "signed-out">) => {
  if (data === "ended") end()
  else if (data === get())
    set(data) // perhaps as somebody else
  else become(data)
}

function announce(next: "signed-in" | "signed-out"): void {
  become(next)
  otherTabs.postMessage(next)
}

/** The session is over, by its age or from elsewhere. */
function end(): void {
  become(get() === "signed-in" || get() === "expired" ? "expired" : "signed-out")
}

function post(path: string, body: unknown): Promise<Response> {
  const headers = { "Content-Type": "application/json", ...PAGE_HEADER }
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body) })
}

async function renewOnce(): Promise<boolean> {
  return await navigator.locks.request("autograph:renew", async () => {
    const answer = await post("/api/auth/page/refresh", {})
    if (answer.status === 401) {
      end()
      otherTabs.postMessage("ended")
    }
    return answer.ok
  })
}

export type Credentials = { email: string; password: string; rememberMe: boolean }

export const session = {
  state: get,
  subscribe,
  /** The refusal's answer, or null when the person is signed in. Rejects if the gateway cannot be reached. */
  async signIn({ email, password, rememberMe }: Credentials): Promise<Response | null> {
    const answer = await post("/api/auth/page/login", { email, password, remember_me: rememberMe })
    if (!answer.ok) return answer
    announce("signed-in")
    return null
  },
  /** The refusal's answer, or null when the account exists and its owner is signed in. */
  async register(credentials: Credentials & { name: string }): Promise<Response | null> {
    const { email, password, name } = credentials
    const answer = await post("/api/auth/register", { email, password, ...(name && { name }) })
    return answer.ok ? await session.signIn(credentials) : answer
  },
  /** One renewal at a time over all tabs: the renewal cookie is spent by it. */
  renew(): Promise<boolean> {
    renewing ??= renewOnce().finally(() => {
      renewing = null
    })
    return renewing
  },
  /** At the start of the page: asks the gateway, since cookies cannot be seen. */
  async begin(): Promise<void> {
    if (localStorage.getItem(SIGNED_IN) === null) {
      become("signed-out")
      return
    }
    try {
      const answer = await fetch("/api/auth/me")
      if (answer.ok || (answer.status === 401 && (await session.renew()))) become("signed-in")
      else if (get() !== "signed-out") become("unreachable") // only a renewal that is refused says that it is over
    } catch {
      become("unreachable")
    }
  },
  /** The refusal's answer, or null when the session is over, which a 401 says as well. Rejects without a gateway. */
  async signOut(): Promise<Response | null> {
    const answer = await post("/api/auth/page/logout", {})
    if (!answer.ok && answer.status !== 401) return answer
    announce("signed-out")
    return null
  },
}
