import type { KeyboardEvent } from "react"
import type { ItemsProps } from "./Items.tsx"

/** Where a key goes from the place *at*, of the places 0 to *last* in rows of *columns*; null: it goes nowhere. */
export function stepOf(key: string, at: number, columns: number, last: number): number | null {
  const targets = new Map([
    ["ArrowRight", at + 1],
    ["ArrowLeft", at - 1],
    ["ArrowDown", at + columns],
    ["ArrowUp", at - columns],
    ["Home", 0],
    ["End", last],
  ])
  const target = targets.get(key)
  return target === undefined ? null : Math.max(0, Math.min(last, target))
}

function placeOf(target: EventTarget): number {
  const place = target instanceof HTMLAnchorElement ? target.closest<HTMLElement>("[data-at]") : null
  return Number(place?.dataset.at ?? -1)
}

/** Keys on a diagram's link: arrows move, and with Shift select; Space selects, Delete and F2 act. */
export function useKeys(props: ItemsProps, columns: number, focus: (at: number) => void) {
  const { items, view, selected, onSelect, onSelectAll, onClear, onAct } = props

  function move(from: string, to: number, selects: boolean): void {
    const reached = items[to]
    if (selects && reached) {
      if (!selected.has(from)) onSelect(from, { range: false })
      onSelect(reached.id, { range: true })
    }
    focus(to)
  }

  /** Whether *key* is a command, which is then carried out. */
  function command(event: KeyboardEvent, id: string): boolean {
    const isSelectAll = event.key === "a" && (event.ctrlKey || event.metaKey)
    const commands = new Map([
      [" ", () => onSelect(id, { range: event.shiftKey })],
      ["Delete", () => onAct(view === "trash" ? "purge" : "trash", selected.size > 0 ? [...selected] : [id])],
      ["F2", () => onAct("rename", [id])],
      ["Escape", onClear],
    ])
    const run = isSelectAll ? onSelectAll : commands.get(event.key)
    run?.()
    return run !== undefined
  }

  return (event: KeyboardEvent) => {
    const at = placeOf(event.target)
    const item = items[at]
    if (!item) return
    const to = stepOf(event.key, at, columns, items.length - 1)
    if (to !== null) move(item.id, to, event.shiftKey)
    else if (!command(event, item.id)) return
    event.preventDefault()
  }
}
