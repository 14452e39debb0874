/** What the page shows of saving. */
import type { Saving } from "../editors/editor.ts"
import type { Aside } from "./drafts.ts"
import type { Changes, Overlap, TextConflict, Whole } from "./merge.ts"
import type { Failure } from "./server.ts"

export type Problem = Extract<Failure, { kind: "refused" }>["problem"]

export type Why = { kind: "unreachable" | "busy" | "signed-out" | "gone" } | { kind: "problem"; problem: Problem }

export type Notice =
  /** Edits of an earlier visit are back. *at* is when they were made, by this device's clock. */
  | { kind: "recovered"; at: number }
  /** The changes of the user *by* were merged with one's own. */
  | { kind: "merged"; by: string; overlaps: Overlap[]; mine: Changes; theirs: Whole }

export type SaverState = {
  saving: Saving
  /** Of `offline` and `refused`. */
  why: Why | null
  /** False if this device could not keep what is not saved: then only the open page has it. */
  kept: boolean
  savedAt: number | null
  title: string
  conflict: (TextConflict & { by: string }) | null
  notice: Notice | null
  /** What lost in merges, the newest first. */
  asides: Aside[]
}
