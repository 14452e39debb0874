import { observable } from "../observable.ts"

/** Short messages about what was done, perhaps with a way back. Read by `Toasts.tsx`; any module may show one. */
export type Toast = { id: number; text: string; action?: { label: string; run: () => void } }

const SHOWN_MS = 8_000

const { get, set, subscribe } = observable<readonly Toast[]>([])
let last = 0

export const toasts = {
  all: get,
  subscribe,
  show(text: string, action?: Toast["action"]): void {
    last += 1
    const id = last
    set([...get().slice(-2), { id, text, ...(action && { action }) }])
    setTimeout(() => toasts.hide(id), SHOWN_MS)
  },
  hide(id: number): void {
    set(get().filter((toast) => toast.id !== id))
  },
}
