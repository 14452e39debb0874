/** Opens the saver of a diagram: with the drafts that earlier tabs left, and with what it hears of the rest of the world. */
import { session } from "../api/session.ts"
import type { Aside, Draft } from "./drafts.ts"
import { Drafts } from "./drafts.ts"
import { baseOf, changesOf, wholeOf } from "./edits.ts"
import { baselineOf, type Changes, merge, type Whole } from "./merge.ts"
import { Saver, type Start } from "./saver.ts"
import { type Diagram, server as ownServer, type Server } from "./server.ts"

type Saved = { diagram: string; revision: number }

function lockOf(tab: string): string {
  return `autograph:draft:${tab}`
}

/** Held as long as the tab lives: the browser lets go of it however the tab ends. */
async function hold(tab: string): Promise<() => void> {
  return await new Promise((held) => {
    void navigator.locks.request(lockOf(tab), () => new Promise<void>((release) => held(release)))
  })
}

type Left = { tab: string; draft: Draft }

function changesIn({ sent, latest }: Draft): Changes {
  return { ...(sent && changesOf(sent.body)), ...(latest && changesOf(latest.body)) }
}

function madeAt({ sent, latest }: Draft): number {
  return latest?.at ?? sent?.at ?? 0
}

export type Recovered = Pick<Start, "whole" | "base" | "sent" | "pending" | "recoveredAt"> & { aside: Aside[] }

/**
 * What to begin with, of the server's content and the drafts that ended tabs left. The newest goes on where it stopped, with
 * its request and key. Others are merged into it; what cannot be merged stays aside.
 */
export function recover(diagram: Diagram, left: Left[]): Recovered {
  const [newest, ...others] = left
    .filter(({ draft }) => draft.sent || draft.latest)
    .sort((one, other) => madeAt(other.draft) - madeAt(one.draft))
  const server = wholeOf(diagram)
  if (!newest) return { whole: server, base: baseOf(diagram), sent: null, pending: {}, recoveredAt: null, aside: [] }
  const { base, sent, latest } = newest.draft
  const pending = { ...(latest && changesOf(latest.body)) }
  let now: Whole = { ...server, ...changesIn(newest.draft) }
  const whole = { ...server, ...(sent && changesOf(sent.body)) }
  const aside: Aside[] = []
  let joined: Changes = pending
  for (const { draft } of others) {
    const mine = changesIn(draft)
    const merged = merge(draft.base?.baseline ?? baselineOf(server), mine, now)
    if (merged.text) aside.push({ key: crypto.randomUUID(), body: JSON.stringify(mine), at: madeAt(draft) })
    else if (merged.differs) {
      now = merged.content
      joined = { ...joined, ...pick(now, mine) }
    }
  }
  return { whole, base: base ?? baseOf(diagram), sent, pending: joined, recoveredAt: madeAt(newest.draft), aside }
}

/** Of *whole*, the parts that *like* has. */
function pick(whole: Whole, like: Changes): Changes {
  return {
    ...(like.title !== undefined && { title: whole.title }),
    ...(like.canvas_data !== undefined && { canvas_data: whole.canvas_data }),
    ...(like.note_content !== undefined && { note_content: whole.note_content }),
  }
}

/** Runs *work* with the drafts of tabs that ended; the locks are held meanwhile, so that no other tab takes them as well. */
async function withLeft<T>(
  drafts: Drafts,
  tabs: string[],
  work: (left: Left[]) => Promise<T>,
  found: Left[] = [],
): Promise<T> {
  const [tab, ...rest] = tabs
  if (tab === undefined) return await work(found)
  return await navigator.locks.request(lockOf(tab), { ifAvailable: true }, async (lock) => {
    const draft = lock && (await drafts.read(tab))
    return await withLeft(drafts, rest, work, draft ? [...found, { tab, draft }] : found)
  })
}

async function adopt(drafts: Drafts, tab: string, diagram: Diagram): Promise<Recovered> {
  return await withLeft(drafts, await drafts.tabs(), async (left) => {
    const recovered = recover(diagram, left)
    if (left.length > 0) {
      const { base, sent, pending, aside } = recovered
      const latest =
        Object.keys(pending).length > 0 ? { body: JSON.stringify(pending), at: recovered.recoveredAt ?? 0 } : null
      const from = left.map((each) => each.tab)
      await drafts.adopt(tab, from, { base: sent || latest ? base : null, sent, latest }, aside)
    }
    return recovered
  })
}

const savers = new Map<string, Saver>()

/** An earlier saver of the same page ends first, so that its drafts are there to be taken. */
async function endEarlier(id: string): Promise<void> {
  const earlier = savers.get(id)
  earlier?.abandon()
  await earlier?.done
}

function listen(saver: Saver, channel: BroadcastChannel): () => void {
  const signal = new AbortController()
  const until = { signal: signal.signal }
  window.addEventListener("online", saver.retry, until)
  window.addEventListener("pagehide", () => saver.leave(true), until)
  window.addEventListener(
    "beforeunload",
    (event) => {
      if (saver.state().saving !== "clean") event.preventDefault()
    },
    until,
  )
  document.addEventListener(
    "visibilitychange",
    () => (document.visibilityState === "hidden" ? saver.leave(false) : void saver.refresh()),
    until,
  )
  channel.addEventListener("message", ({ data }: MessageEvent<Saved>) => {
    if (data.diagram === saver.id) void saver.refresh(data.revision)
  })
  const unsubscribe = session.subscribe(() => {
    if (session.state() === "signed-in" && saver.state().saving === "offline") saver.retry()
  })
  return () => {
    unsubscribe()
    signal.abort()
    channel.close()
  }
}

export type OpenOptions = { account: string; onSaved?: (revision: number) => void; server?: Server }

export async function openSaver(
  diagram: Diagram,
  { account, onSaved, server = ownServer }: OpenOptions,
): Promise<Saver> {
  await endEarlier(diagram.id)
  const tab = crypto.randomUUID()
  const release = await hold(tab)
  const drafts = new Drafts({ account, diagram: diagram.id })
  // Where the store cannot be opened, one works without it: the saver says that nothing is kept.
  const recovered = await adopt(drafts, tab, diagram).catch(() => recover(diagram, []))
  const asides = await drafts.asides().catch(() => [])
  const channel = new BroadcastChannel("autograph:saved")
  let isOpen = true // an answer may come after the end
  const saver = new Saver({
    ...recovered,
    id: diagram.id,
    tab,
    drafts,
    server,
    asides,
    onSaved(revision) {
      if (isOpen) channel.postMessage({ diagram: diagram.id, revision } satisfies Saved)
      onSaved?.(revision)
    },
  })
  savers.set(diagram.id, saver)
  const deafen = listen(saver, channel)
  void saver.done.then(() => {
    isOpen = false
    deafen()
    release()
    if (savers.get(diagram.id) === saver) savers.delete(diagram.id)
  })
  return saver
}
