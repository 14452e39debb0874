/**
 * Whether somebody is signed in. The tokens are in HttpOnly cookies that no script can read; the gateway accepts them only
 * from this origin and, for all but GET and HEAD, with the header below.
 */
export type SessionState = "unknown" | "signed-in" | "signed-out"

export const PAGE_HEADER = { "X-AutoGraph-Page": "1" }

let state: SessionState = "unknown"
let renewing: Promise<boolean> | null = null
const listeners = new Set<() => void>()
const otherTabs = new BroadcastChannel("autograph:session")

function become(next: SessionState): void {
  state = next
  for (const listener of listeners) listener()
}
otherTabs.onmessage = (event: MessageEvent<SessionState>) => become(event.data)

function announce(next: SessionState): void {
  become(next)
  otherTabs.postMessage(next)
}

function post(path: string, body: unknown): Promise<Response> {
  const headers = { "Content-Type": "application/json", ...PAGE_HEADER }
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body) })
}

async function renewOnce(): Promise<boolean> {
  return await navigator.locks.request("autograph:renew", async () => {
    const answer = await post("/api/auth/page/refresh", {})
    if (answer.status === 401) announce("signed-out")
    return answer.ok
  })
}

export const session = {
  state: (): SessionState => state,
  subscribe(listener: () => void): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  },
  /** The refusal's answer, or null when the person is signed in. Rejects if the gateway cannot be reached. */
  async signIn(email: string, password: string, rememberMe: boolean): Promise<Response | null> {
    const answer = await post("/api/auth/page/login", { email, password, remember_me: rememberMe })
    if (!answer.ok) return answer
    announce("signed-in")
    return null
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
    const answer = await fetch("/api/auth/me")
    become(answer.ok || (answer.status === 401 && (await session.renew())) ? "signed-in" : "signed-out")
  },
  async signOut(): Promise<void> {
    await post("/api/auth/page/logout", {})
    announce("signed-out")
  },
}
