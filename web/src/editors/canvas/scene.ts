/** What of a scene is content, and whether the editor would show all of it. */
import type { Scene } from "../editor.ts"

const TYPES = new Set(
  "rectangle ellipse diamond text line arrow freedraw image frame magicframe embeddable iframe selection".split(" "),
)
/** What of the editor's state belongs to the diagram and not to who looks at it. */
export const LASTING = ["viewBackgroundColor", "gridSize", "gridStep", "gridModeEnabled"] as const

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function isDrawable(element: unknown): boolean {
  if (!isObject(element)) return false
  const { id, type, x, y } = element
  const placed = typeof x === "number" && typeof y === "number"
  return typeof id === "string" && typeof type === "string" && TYPES.has(type) && placed
}

/**
 * Null if the editor shows all of *scene*; else what is wrong with it. The editor drops what it does not know, and the next
 * save would lose it: such a scene is not opened for editing.
 */
export function damageOf(scene: Scene | null | undefined): string | null {
  if (!scene || Object.keys(scene).length === 0) return null
  const { elements = [], files } = scene
  if (!Array.isArray(elements)) return "elements: not a list"
  const broken = elements.findIndex((element) => !isDrawable(element))
  if (broken >= 0) return `elements[${broken}]: ${JSON.stringify(elements[broken])?.slice(0, 120) ?? "nothing"}`
  const ids = new Set(elements.map((element: { id: string }) => element.id))
  if (ids.size < elements.length) return "elements: the same id twice"
  if (files !== undefined && files !== null && !isObject(files)) return "files: not an object"
  return null
}

export function lastingOf(state: object): Scene {
  const entries = Object.entries(state)
  return Object.fromEntries(LASTING.flatMap((name) => entries.filter(([key]) => key === name)))
}

type Live = { elements: readonly object[]; state: object; files: Record<string, unknown> }

/** The scene to save. Elements are copied, since the editor changes its own in place. */
export function sceneOf({ elements, state, files }: Live, before: Scene): Scene {
  const copies = elements.map((element) => ({ ...element }))
  const shown = new Set(
    copies.flatMap((each) => ("fileId" in each && typeof each.fileId === "string" ? each.fileId : [])),
  )
  const used = Object.entries(files).filter(([id]) => shown.has(id))
  const appState = { ...(isObject(before.appState) ? before.appState : {}), ...lastingOf(state) }
  return { type: "excalidraw", version: 2, ...before, elements: copies, appState, files: Object.fromEntries(used) }
}
