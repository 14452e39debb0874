/** What of a diagram the server has, what is on its way to it, and what was edited after that. No timers, no requests. */
import type { Content } from "../editors/editor.ts"
import type { Base, Sent } from "./drafts.ts"
import { baselineOf, type Changes, type Merged, type Whole } from "./merge.ts"
import type { Diagram } from "./server.ts"

export function wholeOf({ title, canvas_data, note_content }: Diagram): Whole {
  return { title, canvas_data, note_content }
}

export function baseOf(diagram: Diagram): Base {
  return { revision: diagram.revision, baseline: baselineOf(wholeOf(diagram)) }
}

/**
 * The body of the change. It is kept with the draft, since with another body the same key would be another request.
 * An hour of saves becomes a dozen versions by `checkpoint: auto`.
 */
export function bodyOf(changes: Changes): string {
  const content = changes.canvas_data !== undefined || changes.note_content !== undefined
  return JSON.stringify(content ? { ...changes, checkpoint: "auto" } : changes)
}

/** Of a body that this page wrote. */
export function changesOf(body: string): Changes {
  const { title, canvas_data, note_content } = JSON.parse(body)
  return compact({ title, canvas_data, note_content })
}

function compact({ title, canvas_data, note_content }: Changes): Changes {
  return {
    ...(title !== undefined && { title }),
    ...(canvas_data !== undefined && { canvas_data }),
    ...(note_content !== undefined && { note_content }),
  }
}

/** What differs from *theirs* in a merge. */
function remaining({ content, differs }: Merged, theirs: Whole): Changes {
  if (!differs) return {}
  const { title, canvas_data, note_content } = content
  return compact({
    title: title === theirs.title ? undefined : title,
    canvas_data: canvas_data === theirs.canvas_data ? undefined : canvas_data,
    note_content: note_content === theirs.note_content ? undefined : note_content,
  })
}

export class Edits {
  base: Base
  /** A request that may have arrived. It does not change any more. */
  sealed: Sent | null
  private whole: Whole
  private sealedChanges: Changes
  private content: (() => Content) | null = null
  private title: string | null = null

  constructor(base: Base, whole: Whole, sent: Sent | null, pending: Changes) {
    this.base = base
    this.whole = whole
    this.sealed = sent
    this.sealedChanges = sent ? changesOf(sent.body) : {}
    this.become(pending)
  }

  edit(content: () => Content): void {
    this.content = content
  }

  retitle(title: string): void {
    this.title = title
  }

  get any(): boolean {
    return this.content !== null || this.title !== null
  }

  /** The edits that no request holds yet. */
  pending(): Changes {
    return compact({ ...this.content?.(), ...(this.title !== null && { title: this.title }) })
  }

  /** All that the server has not acknowledged. */
  mine(): Changes {
    return { ...this.sealedChanges, ...this.pending() }
  }

  now(): Whole {
    return { ...this.whole, ...this.mine() }
  }

  /** The editor goes: what it would tell later is asked now. */
  freeze(): void {
    this.become(this.pending())
  }

  seal(): Sent {
    const changes = this.pending()
    const sent = { key: crypto.randomUUID(), revision: this.base.revision, body: bodyOf(changes), at: Date.now() }
    this.whole = { ...this.whole, ...changes }
    this.sealed = sent
    this.sealedChanges = changes
    this.become({})
    return sent
  }

  /** The request was certainly not carried out: what it held is an edit again. */
  unseal(): void {
    const mine = this.mine()
    this.sealed = null
    this.sealedChanges = {}
    this.become(mine)
  }

  acknowledge(revision: number): void {
    this.base = { revision, baseline: baselineOf(this.whole) }
    this.sealed = null
    this.sealedChanges = {}
  }

  /** Nothing of one's own: the server's content as it is. */
  restart(diagram: Diagram): void {
    this.base = baseOf(diagram)
    this.whole = wholeOf(diagram)
    this.drop()
  }

  /** Goes on from *diagram*, with *merged* as the edits on top of it. */
  rebase(diagram: Diagram, merged: Merged): void {
    this.restart(diagram)
    this.become(remaining(merged, wholeOf(diagram)))
  }

  drop(): void {
    this.sealed = null
    this.sealedChanges = {}
    this.become({})
  }

  private become({ title, ...content }: Changes): void {
    this.title = title ?? null
    this.content = Object.keys(content).length > 0 ? () => content : null
  }
}
