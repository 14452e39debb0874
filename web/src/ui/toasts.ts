/** Short messages about what was done, perhaps with a way back. Read by `Toasts.tsx`; any module may show one. */
export type Toast = { id: number; text: string; action?: { label: string; run: () => void } }

const SHOWN_MS = 8_000

let shown: readonly Toast[] = []
let last = 0
const listeners = new Set<() => void>()

function change(next: readonly Toast[]): void {
  shown = next
  for (const listener of listeners) listener()
}

export const toasts = {
  all: (): readonly Toast[] => shown,
  subscribe(listener: () => void): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  },
  show(text: string, action?: Toast["action"]): void {
    last += 1
    const id = last
    change([...shown.slice(-2), { id, text, ...(action && { action }) }])
    setTimeout(() => toasts.hide(id), SHOWN_MS)
  },
  hide(id: number): void {
    change(shown.filter((toast) => toast.id !== id))
  },
}
