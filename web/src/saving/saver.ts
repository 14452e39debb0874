/**
 * Keeps one diagram's content on the server: one request at a time, each with the revision that it is based on.
 *
 *   clean --edit--> dirty --debounce--> saving --200--> clean (or dirty, if edited meanwhile)
 *                     ^                   |--412--> merged and sent again, or conflict: a person decides
 *                     |                   |--413, 422, 403, 404--> refused: an edit or a person's choice goes on
 *                     `-----backoff-------`--unreachable, 401, 429, 503--> offline
 *
 * The promise: what the page calls saved is on the server; what is not is in IndexedDB, and comes back when the diagram is
 * opened again. So a draft is written before it is sent, and goes only when the server acknowledged that very draft.
 */
import type { Content, Editor } from "../editors/editor.ts"
import type { Aside, Base, Drafts, Sent } from "./drafts.ts"
import { bodyOf, Edits, wholeOf } from "./edits.ts"
import { type Changes, type Merged, merge, type Whole } from "./merge.ts"
import { backoffMs, Debounce, keepPace, sendPace, within } from "./pace.ts"
import type { Answer, Diagram, Failure, Server } from "./server.ts"
import type { SaverState } from "./state.ts"

export type Start = {
  id: string
  tab: string
  drafts: Drafts
  server: Server
  /** What the editor shows: the server's content, with the drafts that were recovered on top of it. */
  whole: Whole
  base: Base
  sent: Sent | null
  pending: Changes
  recoveredAt: number | null
  asides: Aside[]
  random?: () => number
  onSaved?: (revision: number) => void
}

/** The largest body that a browser sends for a page that is gone is 64 KiB; all of them together count. */
const KEEPALIVE_CHARACTERS = 60 * 1024
const STORE_DEADLINE_MS = 5_000
/** Refusals that another content may not meet. */
const ABOUT_CONTENT = new Set([400, 413, 422])

export class Saver {
  readonly id: string
  /** Resolves when nothing more will happen. */
  readonly done: Promise<void>
  private readonly own: Start
  private readonly edits: Edits
  private readonly listeners = new Set<() => void>()
  private current: SaverState
  private editor: Editor | null = null
  private theirs: Diagram | null = null
  private attached = false
  private busy = false
  private closing = false
  private urgent = false
  private failures = 0
  private size: number
  private readonly abort = new AbortController()
  private readonly keepSoon = new Debounce(() => void this.keep())
  private readonly sendSoon = new Debounce(() => void this.send())
  private retrySoon: ReturnType<typeof setTimeout> | undefined

  constructor(start: Start) {
    this.id = start.id
    this.own = start
    this.edits = new Edits(start.base, start.whole, start.sent, start.pending)
    this.size = start.sent?.body.length ?? 0
    this.current = {
      saving: start.sent || this.edits.any ? "dirty" : "clean",
      why: null,
      kept: true,
      savedAt: null,
      title: start.pending.title ?? start.whole.title,
      conflict: null,
      notice: start.recoveredAt === null ? null : { kind: "recovered", at: start.recoveredAt },
      asides: start.asides,
    }
    this.done = new Promise((resolve) => this.abort.signal.addEventListener("abort", () => resolve()))
  }

  state = (): SaverState => this.current

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** What the server has, as far as this page knows. */
  get revision(): number {
    return this.edits.base.revision
  }

  /** All content as it is now, saved or not. */
  now(): Whole {
    return this.edits.now()
  }

  /** The editor is there, and can be shown what comes from elsewhere. Recovered drafts are sent from now on. */
  attach = (editor: Editor | null): void => {
    this.editor = editor
    // Once: an editor may attach itself again at each render.
    if (editor && !this.attached && this.current.saving === "dirty") void this.send()
    this.attached ||= editor !== null
  }

  edit = (content: () => Content): void => {
    this.edits.edit(content)
    this.touched()
  }

  retitle = (title: string): void => {
    this.edits.retitle(title)
    this.update({ title })
    this.touched()
  }

  /** Put *content* in the place of what is shown, as an edit. */
  put(content: Content): void {
    this.editor?.show(content)
    this.edit(() => content)
  }

  dismiss = (): void => this.update({ notice: null })

  async discardAsides(): Promise<void> {
    const { asides } = this.current
    this.update({ asides: [] })
    await Promise.all(asides.map((aside) => this.own.drafts.discardAside(aside.key)))
  }

  /** A person merged the texts of a conflict to *text*. */
  async decide(text: string): Promise<void> {
    const { theirs } = this
    if (!theirs || this.busy) return
    const mine = this.edits.mine()
    const merged = merge(this.edits.base.baseline, { ...mine, note_content: undefined }, wholeOf(theirs))
    const differs = merged.differs || text !== (theirs.note_content ?? "")
    await this.rebase({ ...merged, content: { ...merged.content, note_content: text }, differs }, theirs, mine, true)
    this.goOn()
  }

  /** Now, without waiting for the backoff. A refused request becomes a new one. */
  retry = (): void => {
    if (this.busy) return
    if (this.current.saving === "refused") this.edits.unseal()
    void this.send()
  }

  /** Another tab or person saved *revision*, or may have saved any. */
  async refresh(revision = Number.POSITIVE_INFINITY): Promise<void> {
    if (!this.idle || revision <= this.edits.base.revision) return
    const found = await this.own.server.current(this.id, this.abort.signal)
    // Edited meanwhile: it will be merged.
    if (found.kind !== "found" || !this.idle || found.diagram.revision <= this.edits.base.revision) return
    this.edits.restart(found.diagram)
    this.editor?.show(wholeOf(found.diagram))
    this.update({ title: found.diagram.title })
  }

  /** The page may be gone at any moment. *gone*: it will not live to see the end of a transaction. */
  leave(gone: boolean): void {
    if (this.current.saving === "clean") return
    if (this.busy || this.current.saving === "conflict" || this.current.saving === "refused") void this.keep()
    else void this.send({ leaving: true, gone })
  }

  /** The editor goes. What is not saved is still sent once; `done` tells the end of that. */
  close(): void {
    if (this.closing) return
    this.edits.freeze()
    this.editor = null
    this.closing = true
    const { saving } = this.current
    if (this.busy) void this.keep()
    else if (saving === "dirty" || saving === "offline") void this.send()
    else void this.keep().then(() => this.abandon())
  }

  /** Ends at once. The drafts stay for the next opening of the diagram. */
  abandon(): void {
    this.closing = true
    this.cancel()
    this.abort.abort()
  }

  /** What is here was saved elsewhere, or is not wanted. */
  async forget(): Promise<void> {
    this.edits.drop()
    this.cancel()
    await this.kept(this.own.drafts.discard(this.own.tab))
    this.update({ saving: "clean", why: null, conflict: null })
  }

  private get idle(): boolean {
    return this.current.saving === "clean" && !this.busy && !this.closing
  }

  private touched(): void {
    const { saving, why } = this.current
    this.keepSoon.touch(keepPace(this.size))
    if (saving === "refused" && why?.kind === "problem" && ABOUT_CONTENT.has(why.problem.status)) {
      this.edits.unseal()
      this.update({ saving: "dirty", why: null })
    }
    if (saving === "clean") this.update({ saving: "dirty" })
    if (this.current.saving === "dirty" && !this.busy) this.sendSoon.touch(sendPace(this.size))
  }

  /** Writes the edits that no request holds yet to this device. */
  private async keep(): Promise<void> {
    this.keepSoon.cancel()
    if (!this.edits.any) return
    const latest = { body: bodyOf(this.edits.pending()), at: Date.now() }
    this.size = latest.body.length
    const kept = await this.kept(this.own.drafts.keep(this.own.tab, this.edits.base, latest))
    if (!kept && this.current.saving === "dirty") void this.send()
  }

  private async kept(work: Promise<void>): Promise<boolean> {
    const kept = await within(STORE_DEADLINE_MS, work).then(
      () => true,
      () => false,
    )
    this.update({ kept })
    return kept
  }

  private async send({ leaving = false, gone = false } = {}): Promise<void> {
    if (this.busy || this.current.saving === "conflict" || !(this.edits.sealed || this.edits.any)) return
    this.busy = true
    this.sendSoon.cancel()
    clearTimeout(this.retrySoon)
    const onDevice = this.edits.sealed ? Promise.resolve(true) : this.seal()
    this.update({ saving: "saving", why: null })
    if (!gone) await onDevice
    const sent = this.edits.sealed
    if (sent) {
      const keepalive = leaving && sent.body.length < KEEPALIVE_CHARACTERS
      const answer = await this.own.server.save(this.id, sent, { keepalive, signal: this.abort.signal })
      await onDevice // else the draft would come after its own acknowledgement
      if (!this.abort.signal.aborted) await this.settle(sent, answer)
    }
    this.busy = false
    this.goOn()
  }

  private seal(): Promise<boolean> {
    const sent = this.edits.seal()
    this.size = sent.body.length
    this.keepSoon.cancel()
    return this.kept(this.own.drafts.seal(this.own.tab, this.edits.base, sent))
  }

  /** What is next, after a request ended. */
  private goOn(): void {
    const more = this.current.saving === "dirty" && (this.edits.sealed !== null || this.edits.any)
    const now = this.urgent || this.closing
    this.urgent = false
    if (more && now) void this.send()
    else if (more) this.sendSoon.touch(sendPace(this.size))
    else if (this.closing) this.abandon()
  }

  private async settle(sent: Sent, answer: Answer): Promise<void> {
    if (answer.kind === "stale") await this.stale()
    else if (answer.kind === "saved") await this.acknowledged(sent, answer.revision)
    else this.failed(answer)
  }

  private async acknowledged(sent: Sent, revision: number): Promise<void> {
    this.failures = 0
    this.edits.acknowledge(revision)
    await this.kept(this.own.drafts.acknowledge(this.own.tab, sent.key, this.edits.base))
    this.own.onSaved?.(revision)
    if (this.edits.any) this.update({ saving: "dirty", savedAt: Date.now() })
    else this.update({ saving: "clean", savedAt: Date.now(), kept: true })
  }

  private failed(failure: Failure): void {
    if (failure.kind === "later") {
      this.failures += 1
      const wait = Math.max(failure.afterMs, backoffMs(this.failures, (this.own.random ?? Math.random)()))
      if (!this.closing) this.retrySoon = setTimeout(() => void this.send(), wait)
      this.update({ saving: "offline", why: { kind: failure.reason } })
    } else if (failure.kind === "signed-out") this.update({ saving: "offline", why: { kind: "signed-out" } })
    else if (failure.kind === "gone") this.update({ saving: "refused", why: { kind: "gone" } })
    else if (this.edits.any && ABOUT_CONTENT.has(failure.problem.status)) {
      this.edits.unseal() // with what was edited meanwhile it may be taken
      this.update({ saving: "dirty" })
    } else this.update({ saving: "refused", why: { kind: "problem", problem: failure.problem } })
  }

  private async stale(): Promise<void> {
    const found = await this.own.server.current(this.id, this.abort.signal)
    if (this.abort.signal.aborted) return
    if (found.kind !== "found") return this.failed(found)
    this.failures = 0
    const mine = this.edits.mine()
    const merged = merge(this.edits.base.baseline, mine, wholeOf(found.diagram))
    if (!merged.text) return await this.rebase(merged, found.diagram, mine, merged.overlaps.length > 0)
    this.theirs = found.diagram
    this.update({ saving: "conflict", conflict: { ...merged.text, by: found.diagram.updated_by } })
    await this.keep()
  }

  /** Goes on from *diagram* with what was merged. With *losing*, what one had oneself stays aside as well. */
  private async rebase(merged: Merged, diagram: Diagram, mine: Changes, losing: boolean): Promise<void> {
    this.edits.rebase(diagram, merged)
    this.theirs = null
    this.urgent = true
    this.editor?.show(merged.content)
    const at = Date.now()
    const aside: Aside | null = losing ? { key: crypto.randomUUID(), body: bodyOf(mine), at } : null
    const latest = this.edits.any ? { body: bodyOf(this.edits.pending()), at } : null
    this.update({
      saving: latest ? "dirty" : "clean",
      title: merged.content.title,
      conflict: null,
      notice: { kind: "merged", by: diagram.updated_by, overlaps: merged.overlaps, mine, theirs: wholeOf(diagram) },
      asides: aside ? [aside, ...this.current.asides] : this.current.asides,
    })
    await this.kept(this.own.drafts.replace(this.own.tab, this.edits.base, latest, aside))
  }

  private cancel(): void {
    this.keepSoon.cancel()
    this.sendSoon.cancel()
    clearTimeout(this.retrySoon)
  }

  private update(change: Partial<SaverState>): void {
    const next = { ...this.current, ...change }
    this.current = next
    for (const listener of this.listeners) listener()
  }
}
