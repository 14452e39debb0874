import { useSyncExternalStore } from "react"
import { observable } from "../observable.ts"

export type Layout = "grid" | "list"

const CHOICE = "autograph.layout"
const { get, set, subscribe } = observable<Layout>(localStorage.getItem(CHOICE) === "list" ? "list" : "grid")

/** How lists are shown on this device. */
export const layout = {
  choose(next: Layout): void {
    localStorage.setItem(CHOICE, next)
    set(next)
  },
}

export function useLayout(): Layout {
  return useSyncExternalStore(subscribe, get)
}
