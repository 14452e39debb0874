/** What is left to decide when two people changed the same lines of a note. */
import { diff3Merge } from "node-diff3"

export type TextConflict = { base: string; mine: string; theirs: string }

/** Twice the merged text: where both changed the same lines, once with mine and once with theirs. */
export function sidesOf({ base, mine, theirs }: TextConflict): { mine: string; theirs: string } {
  const lines = (text: string) => text.split("\n")
  const regions = diff3Merge(lines(mine), lines(base), lines(theirs), { excludeFalseConflicts: true })
  const side = (of: "a" | "b") => regions.flatMap((region) => region.ok ?? region.conflict?.[of] ?? []).join("\n")
  return { mine: side("a"), theirs: side("b") }
}
