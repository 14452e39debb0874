/** The server, as the saver sees it: each answer is one of a few that call for different things to do. */
import { api, type Problem, type Schemas } from "../api/client.ts"
import { PAGE_HEADER } from "../api/session.ts"
import type { Sent } from "./drafts.ts"

export type Diagram = Schemas["Diagram"]

export type Failure =
  /** Try again, not before *afterMs*. */
  | { kind: "later"; afterMs: number; reason: "unreachable" | "busy" }
  | { kind: "signed-out" }
  | { kind: "gone" }
  /** It will not be taken as it is. */
  | { kind: "refused"; problem: Problem }

export type Answer = Failure | { kind: "saved"; revision: number } | { kind: "stale" }
export type Found = Failure | { kind: "found"; diagram: Diagram }

export type SendOptions = { keepalive: boolean; signal: AbortSignal }

export type Server = {
  save(id: string, sent: Sent, options: SendOptions): Promise<Answer>
  current(id: string, signal: AbortSignal): Promise<Found>
}

/** Of Retry-After in its two forms; 0 where it says nothing. */
export function retryAfterMs(header: string | null): number {
  if (!header) return 0
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
  const at = Date.parse(header)
  return Number.isNaN(at) ? 0 : Math.max(0, at - Date.now())
}

const UNREACHABLE: Failure = { kind: "later", afterMs: 0, reason: "unreachable" }
const TRANSIENT = new Set([408, 409, 425, 429, 500, 502, 503, 504])

export function failureOf(
  status: number,
  retryAfter: string | null,
  problem: Problem | undefined,
): Failure | { kind: "stale" } {
  if (status === 401) return { kind: "signed-out" }
  if (status === 404 || status === 410) return { kind: "gone" }
  if (status === 412) return { kind: "stale" }
  const inTrash = status === 409 && problem?.code === "in_trash"
  // Without a problem it was no answer of ours: a proxy in between.
  if (inTrash || (problem?.code && !TRANSIENT.has(status))) return { kind: "refused", problem }
  return { kind: "later", afterMs: retryAfterMs(retryAfter), reason: "busy" }
}

function isSummary(value: unknown): value is { revision: number } {
  return typeof value === "object" && value !== null && "revision" in value && typeof value.revision === "number"
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "code" in value && "status" in value
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener("abort", () => {
      clearTimeout(timer)
      reject(signal.reason)
    })
  })
}

/** 202: the command waits for a worker. Its outcome stands at its address, and the same key would find it as well. */
async function outcome(command: string, signal: AbortSignal): Promise<Answer> {
  for (let wait = 500; ; wait = Math.min(10_000, wait * 2)) {
    const response = await fetch(command, { headers: PAGE_HEADER, signal })
    if (!response.ok)
      return { kind: "later", afterMs: retryAfterMs(response.headers.get("Retry-After")), reason: "busy" }
    const status: Schemas["CommandStatus"] = await response.json()
    if (status.status === "succeeded" && isSummary(status.outcome)) {
      return { kind: "saved", revision: status.outcome.revision }
    }
    if (status.status === "failed" && isProblem(status.problem))
      return failureOf(status.problem.status, null, status.problem)
    if (status.status !== "accepted") return { kind: "later", afterMs: 0, reason: "busy" }
    await pause(Math.max(wait, retryAfterMs(response.headers.get("Retry-After"))), signal)
  }
}

async function save(id: string, sent: Sent, { keepalive, signal }: SendOptions): Promise<Answer> {
  try {
    const { data, error, response } = await api.PATCH("/api/diagrams/{id}", {
      params: { path: { id }, header: { "If-Match": `"${sent.revision}"`, "Idempotency-Key": sent.key } },
      body: {},
      bodySerializer: () => sent.body, // word for word: with another body the same key would be another request
      keepalive,
      signal,
    })
    if (data && "command" in data) return await outcome(data.command, signal)
    if (data) return { kind: "saved", revision: data.revision }
    return failureOf(response.status, response.headers.get("Retry-After"), error)
  } catch {
    return UNREACHABLE
  }
}

async function current(id: string, signal: AbortSignal): Promise<Found> {
  try {
    const { data, error, response } = await api.GET("/api/diagrams/{id}", {
      params: { path: { id } },
      signal,
      cache: "no-cache",
    })
    if (data) return { kind: "found", diagram: data }
    const failure = failureOf(response.status, response.headers.get("Retry-After"), error)
    return failure.kind === "stale" ? UNREACHABLE : failure
  } catch {
    return UNREACHABLE
  }
}

export const server: Server = { save, current }
