import { useSyncExternalStore } from "react"

export type Layout = "grid" | "list"

const CHOICE = "autograph.layout"
const listeners = new Set<() => void>()
let current: Layout = localStorage.getItem(CHOICE) === "list" ? "list" : "grid"

/** How lists are shown on this device. */
export const layout = {
  choose(next: Layout): void {
    localStorage.setItem(CHOICE, next)
    current = next
    for (const listener of listeners) listener()
  },
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function useLayout(): Layout {
  return useSyncExternalStore(subscribe, () => current)
}
