/** Which elements one scene has more, less, or otherwise than another. */
import type { Scene } from "../editors/editor.ts"
import { type Element, elementsOf, looksAlike } from "../saving/merge.ts"

export type Difference = { kind: "added" | "removed" | "changed"; element: Element }

export function differencesOf(before: Scene | null, after: Scene | null): Difference[] {
  const earlier = new Map(elementsOf(before).map((each) => [each.id, each]))
  const later = new Map(elementsOf(after).map((each) => [each.id, each]))
  const ofLater = [...later.values()].flatMap((element): Difference[] => {
    const other = earlier.get(element.id)
    if (!other) return [{ kind: "added", element }]
    return looksAlike(other, element) ? [] : [{ kind: "changed", element }]
  })
  const removed = [...earlier.values()].filter((each) => !later.has(each.id))
  return [...ofLater, ...removed.map((element): Difference => ({ kind: "removed", element }))]
}

const COLOURS = { added: "#2f9e44", removed: "#e03131", changed: "#e8a100" }

/** Both scenes in one: what differs in its colour, the rest faint. */
export function overlay(after: Scene | null, differences: Difference[]): Scene {
  const kinds = new Map(differences.map(({ kind, element }) => [element.id, kind]))
  const removed = differences.flatMap(({ kind, element }) => (kind === "removed" ? element : []))
  const elements = [...elementsOf(after), ...removed].map((element) => {
    const kind = kinds.get(element.id)
    return kind ? { ...element, strokeColor: COLOURS[kind], opacity: 100 } : { ...element, opacity: 30 }
  })
  return { ...after, elements }
}
