import { useVirtualizer } from "@tanstack/react-virtual"
import { type CSSProperties, useEffect, useLayoutEffect, useRef, useState } from "react"
import { useSentences } from "../i18n/catalogue.ts"
import styles from "./Dashboard.module.css"
import type { View } from "./filter.ts"
import { Item } from "./Item.tsx"
import type { Layout } from "./layout.ts"
import type { Change, Summary } from "./queries.ts"
import { dashboard } from "./sentences.ts"
import { useKeys } from "./useKeys.ts"

const CARD_WIDTH = 220
const HEIGHTS: Record<Layout, number> = { grid: 212, list: 53 }
const GAP = 16
/** Rows that are rendered before and after those that are seen. */
const OVERSCAN = 3
/** Places for what is not loaded yet. */
const SKELETONS = 8

export type ItemsProps = {
  items: readonly Summary[]
  hasMore: boolean
  onMore: () => void
  layout: Layout
  view: View
  selected: ReadonlySet<string>
  onSelect: (id: string, how: { range: boolean }) => void
  onSelectAll: () => void
  onClear: () => void
  onAct: (kind: Change | "rename", ids: string[]) => void
}

/** Diagrams in rows, of which only those that are seen are in the document. Arrow keys move from one to the next. */
export function Items(props: ItemsProps) {
  const { items, hasMore, onMore, layout } = props
  const text = useSentences(dashboard)
  const scroller = useRef<HTMLUListElement>(null)
  const columns = useColumns(scroller, layout)
  const places = items.length + (hasMore ? SKELETONS : 0)
  const rows = useVirtualizer({
    count: Math.ceil(places / columns),
    getScrollElement: () => scroller.current,
    estimateSize: () => HEIGHTS[layout] + (layout === "grid" ? GAP : 0),
    overscan: OVERSCAN,
    paddingStart: layout === "grid" ? GAP / 2 : 0,
    paddingEnd: GAP * 4,
  })
  const shown = rows.getVirtualItems()
  const lastShown = (shown.at(-1)?.index ?? 0) * columns + columns
  useEffect(() => {
    if (hasMore && lastShown > items.length) onMore()
  }, [hasMore, lastShown, items.length, onMore])
  // biome-ignore lint/correctness/useExhaustiveDependencies: measured again where the rows have another height
  useEffect(() => rows.measure(), [layout, columns])

  const onKeyDown = useKeys(props, columns, (at) => {
    rows.scrollToIndex(Math.floor(at / columns))
    // The row is rendered by the next frame.
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-at="${at}"] a`)?.focus())
  })

  return (
    <ul ref={scroller} className={styles.scroller} aria-label={text.list} onKeyDown={onKeyDown}>
      <li role="presentation" style={{ height: rows.getTotalSize() }} />
      {shown.flatMap((row) =>
        Array.from({ length: Math.min(columns, places - row.index * columns) }, (_, column) => (
          <Place
            key={items[row.index * columns + column]?.id ?? `place-${row.index}-${column}`}
            at={row.index * columns + column}
            style={{
              top: row.start,
              left: `${(column * 100) / columns}%`,
              width: `${100 / columns}%`,
              height: row.size,
            }}
            list={props}
          />
        )),
      )}
    </ul>
  )
}

/** One diagram of the *list*, or where one will be. */
function Place({ at, style, list }: { at: number; style: CSSProperties; list: ItemsProps }) {
  const { items, hasMore, layout, selected } = list
  const item = items[at]
  if (!item) {
    return (
      <li className={styles.place} style={style} aria-hidden="true">
        <span className={layout === "grid" ? styles.skeleton : styles.skeletonRow} />
      </li>
    )
  }
  return (
    <li
      className={styles.place}
      style={style}
      data-at={at}
      aria-setsize={hasMore ? -1 : items.length}
      aria-posinset={at + 1}
    >
      <Item
        item={item}
        layout={layout}
        view={list.view}
        isSelected={selected.has(item.id)}
        isSelecting={selected.size > 0}
        onSelect={list.onSelect}
        onAct={list.onAct}
      />
    </li>
  )
}

function useColumns(scroller: { current: HTMLElement | null }, layout: Layout): number {
  const [width, setWidth] = useState(0)
  useLayoutEffect(() => {
    const element = scroller.current
    if (!element) return
    const observer = new ResizeObserver(() => setWidth(element.clientWidth))
    observer.observe(element)
    setWidth(element.clientWidth)
    return () => observer.disconnect()
  }, [scroller])
  return layout === "list" ? 1 : Math.max(1, Math.floor(width / (CARD_WIDTH + GAP)))
}
