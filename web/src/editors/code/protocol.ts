/** What the page and the Mermaid frame say to each other. Both sides check what they hear: neither trusts the other. */

export type Theme = "light" | "dark"

export type FrameRequest =
  | { id: number; what: "draw"; text: string; theme: Theme }
  | { id: number; what: "convert"; text: string }

/** `ready` once, when the frame can be asked; `drawing` when the parts for this kind of diagram are loaded and parsed. */
export type FrameAnswer =
  | { what: "ready" }
  | { what: "drawing"; id: number }
  | { what: "drawn"; id: number; drawing: Drawing }
  | { what: "converted"; id: number; elements: unknown[]; files: Record<string, unknown> | undefined }
  | { what: "failed"; id: number; fault: Fault }

/** Sizes are in CSS pixels; title and description are what the diagram says of itself (`accTitle`, `accDescr`). */
export type Drawing = {
  svg: string
  width: number
  height: number
  type: string
  title: string
  description: string
}

export type FaultKind = "syntax" | "unknown-type" | "too-large" | "too-slow" | "unavailable" | "other"

/** Lines count from 1, columns from 0, as in the text that was asked for. */
export type Place = { line: number; column: number; length: number }

export type Fault = {
  kind: FaultKind
  message: string
  place: Place | null
  /** What stood where Mermaid gave up, and what it would have taken. */
  found: string
  expected: string[]
}

export function fault(kind: FaultKind, message = "", rest: Partial<Fault> = {}): Fault {
  return { kind, message, place: null, found: "", expected: [], ...rest }
}

/** Mermaid's own limit; beyond it, it would draw a picture that says so. */
export const MAX_SOURCE_CHARACTERS = 50_000
/** A picture beyond this would hold the page while the browser decodes it. */
export const MAX_SVG_CHARACTERS = 8_000_000
