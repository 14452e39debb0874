import { useQueryClient } from "@tanstack/react-query"
import { useMemo, useState } from "react"
import { useLocation, useSearch } from "wouter"
import { describe, refusedOf } from "../api/problems.ts"
import { useSentences } from "../i18n/catalogue.ts"
import { Button } from "../ui/Button.tsx"
import { EmptyState } from "../ui/EmptyState.tsx"
import { toasts } from "../ui/toasts.ts"
import { useTitle } from "../ui/useTitle.ts"
import styles from "./Dashboard.module.css"
import { PurgeDialog, RenameDialog } from "./dialogs.tsx"
import { addressOf, type Filter, isNarrowed, readFilter } from "./filter.ts"
import { Items, type ItemsProps } from "./Items.tsx"
import { layout, useLayout } from "./layout.ts"
import { New } from "./New.tsx"
import { type Change, changeAll, refresh, type Summary, useDiagrams } from "./queries.ts"
import { SelectionBar } from "./SelectionBar.tsx"
import { all, extend, NOTHING, only, type Selection, toggle } from "./selection.ts"
import { dashboard } from "./sentences.ts"
import { Toolbar } from "./Toolbar.tsx"

const NONE: Summary[] = []

export default function Dashboard() {
  const text = useSentences(dashboard)
  const [path, navigate] = useLocation()
  const query = useSearch()
  const filter = useMemo(() => readFilter(path, query), [path, query])
  const list = useDiagrams(filter)
  const shape = useLayout()
  const pages = list.data?.pages
  const items = useMemo(() => pages?.flatMap((page) => page.items) ?? NONE, [pages])
  const order = useMemo(() => items.map(({ id }) => id), [items])
  const [chosen, setSelection] = useState<Selection>(NOTHING)
  const selection = only(chosen, order)
  const [renaming, setRenaming] = useState<Summary | null>(null)
  const [purging, setPurging] = useState<string[] | null>(null)
  const change = useChange(() => setSelection(NOTHING))

  useTitle(text.views[filter.view])

  const show = (next: Partial<Filter>) => {
    setSelection(NOTHING)
    navigate(addressOf({ ...filter, ...next }), { replace: next.q !== undefined })
  }
  const act = (kind: Change | "rename", ids: string[]) => {
    if (kind === "purge") setPurging(ids)
    else if (kind === "rename") setRenaming(items.find(({ id }) => id === ids[0]) ?? null)
    else void change(kind, ids)
  }
  const select: ItemsProps["onSelect"] = (id, { range }) =>
    setSelection(range ? extend(selection, id, order) : toggle(selection, id))

  return (
    <main className={styles.page} aria-busy={list.isFetching}>
      <Toolbar filter={filter} total={pages?.[0]?.total} layout={shape} onLayout={layout.choose} onShow={show} />
      {selection.ids.size > 0 ? (
        <SelectionBar
          count={selection.ids.size}
          view={filter.view}
          onAct={(kind) => act(kind, [...selection.ids])}
          onClear={() => setSelection(NOTHING)}
        />
      ) : null}
      {items.length > 0 || list.isPending ? (
        <Items
          items={items}
          hasMore={list.hasNextPage || list.isPending}
          onMore={() => {
            if (list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage()
          }}
          layout={shape}
          view={filter.view}
          selected={selection.ids}
          onSelect={select}
          onSelectAll={() => setSelection(all(order))}
          onClear={() => setSelection(NOTHING)}
          onAct={act}
        />
      ) : (
        <Nothing
          filter={filter}
          error={list.isError ? list.error : null}
          onRetry={() => void list.refetch()}
          onShow={show}
        />
      )}
      {renaming ? <RenameDialog diagram={renaming} onClose={() => setRenaming(null)} /> : null}
      {purging ? (
        <PurgeDialog
          count={purging.length}
          onClose={() => setPurging(null)}
          onConfirm={() => {
            void change("purge", purging)
            setPurging(null)
          }}
        />
      ) : null}
    </main>
  )
}

/** Changes diagrams, tells what was done and, where that can be, offers to undo it. */
function useChange(onDone: () => void): (kind: Change, ids: string[]) => Promise<void> {
  const client = useQueryClient()
  const text = useSentences(dashboard)
  const run = async (kind: Change, ids: string[]): Promise<void> => {
    const done = await changeAll(kind, ids)
    onDone()
    const failed = ids.length - done.length
    if (failed > 0) toasts.show(text.failed(failed))
    if (kind === "trash" && done.length > 0) {
      toasts.show(text.trashed(done.length), { label: text.actions.undo, run: () => void run("restore", done) })
    } else if (done.length > 0) toasts.show(kind === "restore" ? text.restored(done.length) : text.purged(done.length))
    await refresh(client)
  }
  return run
}

type NothingProps = {
  filter: Filter
  error: Error | null
  onRetry: () => void
  onShow: (next: Partial<Filter>) => void
}

function Nothing({ filter, error, onRetry, onShow }: NothingProps) {
  const text = useSentences(dashboard)
  if (error) {
    return (
      <EmptyState icon="warning" title={text.failedToLoad} actions={<Button onClick={onRetry}>{text.again}</Button>}>
        {describe(refusedOf(error))}
      </EmptyState>
    )
  }
  if (isNarrowed(filter)) {
    const reset = { q: "", type: null, tag: "" }
    return (
      <EmptyState
        icon="search"
        title={text.empty.search.title}
        actions={<Button onClick={() => onShow(reset)}>{text.resetFilters}</Button>}
      >
        {text.empty.search.text}
      </EmptyState>
    )
  }
  const { title, text: explained } = text.empty[filter.view]
  const icon = ({ all: "pencil", recent: "clock", trash: "trash" } as const)[filter.view]
  return (
    <EmptyState icon={icon} title={title} actions={filter.view === "trash" ? null : <New asButtons />}>
      {explained}
    </EmptyState>
  )
}
