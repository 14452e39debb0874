import { type KeyboardEvent, useEffect, useRef, useState } from "react"
import { Link } from "wouter"
import { useSentences } from "../i18n/catalogue.ts"
import { Button, IconButton } from "../ui/Button.tsx"
import { Icon } from "../ui/Icon.tsx"
import styles from "./Dashboard.module.css"
import { addressOf, type Filter, SORTS, TYPES, VIEWS } from "./filter.ts"
import type { Layout } from "./layout.ts"
import { New } from "./New.tsx"
import { dashboard } from "./sentences.ts"

const TYPING_MS = 200

type Props = {
  filter: Filter
  total: number | undefined
  layout: Layout
  onLayout: (layout: Layout) => void
  onShow: (next: Partial<Filter>) => void
}

export function Toolbar({ filter, total, layout, onLayout, onShow }: Props) {
  const text = useSentences(dashboard)
  const other = layout === "grid" ? "list" : "grid"
  return (
    <div className={styles.toolbar}>
      <nav className={styles.views} aria-label={text.list}>
        {VIEWS.map((view) => (
          <Link
            key={view}
            href={addressOf({
              view,
              q: "",
              type: null,
              tag: "",
              sort: view === "recent" ? "last_viewed_at" : "updated_at",
            })}
            aria-current={view === filter.view ? "page" : undefined}
          >
            {text.views[view]}
          </Link>
        ))}
      </nav>
      <Search key={filter.view} value={filter.q} onSearch={(q) => onShow({ q })} />
      <div className={styles.options}>
        <Select
          label={text.type.label}
          value={filter.type ?? ""}
          options={[["", text.type.all], ...TYPES.map((type) => [type, text.kinds[type]] as const)]}
          onChoose={(type) => onShow({ type: TYPES.find((each) => each === type) ?? null })}
        />
        <Select
          label={text.sort.label}
          value={filter.sort}
          options={SORTS.map((sort) => [sort, text.sort[sort]] as const)}
          onChoose={(sort) => onShow({ sort: SORTS.find((each) => each === sort) ?? "updated_at" })}
        />
        {filter.tag ? (
          <Button icon="close" onClick={() => onShow({ tag: "" })}>
            {text.tag(filter.tag)}
          </Button>
        ) : null}
        <IconButton icon={other} label={text.layout[other]} onClick={() => onLayout(other)} />
        <New />
      </div>
      <p className="visually-hidden" role="status">
        {total === undefined ? "" : text.count(total)}
      </p>
    </div>
  )
}

/** Searches as one types, a little after the last letter. */
function Search({ value, onSearch }: { value: string; onSearch: (q: string) => void }) {
  const text = useSentences(dashboard)
  const [typed, setTyped] = useState(value)
  const latest = useRef(onSearch)
  latest.current = onSearch
  useEffect(() => setTyped(value), [value])
  useEffect(() => {
    if (typed === value) return
    const timer = setTimeout(() => latest.current(typed), TYPING_MS)
    return () => clearTimeout(timer)
  }, [typed, value])
  function onKeyDown(event: KeyboardEvent) {
    if (event.key === "Escape") setTyped("")
    if (event.key === "Enter") latest.current(typed)
  }
  return (
    <label className={styles.search}>
      <Icon name="search" />
      <input
        type="search"
        aria-label={text.search}
        placeholder={text.search}
        value={typed}
        maxLength={255}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={onKeyDown}
      />
    </label>
  )
}

type SelectProps = {
  label: string
  value: string
  options: readonly (readonly [string, string])[]
  onChoose: (value: string) => void
}

function Select({ label, value, options, onChoose }: SelectProps) {
  return (
    <select
      className={styles.select}
      aria-label={label}
      value={value}
      onChange={(event) => onChoose(event.target.value)}
    >
      {options.map(([key, name]) => (
        <option key={key} value={key}>
          {name}
        </option>
      ))}
    </select>
  )
}
