import { type Element, elementsOf, type Overlap } from "../../saving/merge.ts"
import type { Scene } from "../editor.ts"

/** Above both versions, so that no editor takes it for an older state of the element. */
function renewed(element: Element, { mine, theirs }: Overlap): Element {
  const highest = Math.max(Number(mine?.version ?? 0), Number(theirs?.version ?? 0))
  return { ...element, version: highest + 1, versionNonce: Math.floor(Math.random() * 2 ** 31) }
}

/** *scene* with the element as *side* has it; without it where that side removed it. */
export function choose(scene: Scene, overlap: Overlap, side: Overlap["taken"]): Scene {
  const element = overlap[side]
  const elements = elementsOf(scene)
  const at = elements.findIndex((each) => each.id === overlap.id)
  const others = elements.filter((each) => each.id !== overlap.id)
  if (element) others.splice(at < 0 ? others.length : at, 0, renewed(element, overlap))
  return { ...scene, elements: others }
}
