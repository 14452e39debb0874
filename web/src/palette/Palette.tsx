import { useQuery } from "@tanstack/react-query"
import { type KeyboardEvent, useDeferredValue, useId, useState } from "react"
import { useLocation } from "wouter"
import { api } from "../api/client.ts"
import { dataOf } from "../api/problems.ts"
import { meQuery } from "../api/queries.ts"
import { leaving } from "../app/leaving.ts"
import { THEMES, theme } from "../app/theme.ts"
import { BEGINS, ICONS, KINDS } from "../dashboard/kinds.ts"
import { LISTS } from "../dashboard/queries.ts"
import { dashboard } from "../dashboard/sentences.ts"
import { useCreate } from "../dashboard/useCreate.ts"
import { useSentences } from "../i18n/catalogue.ts"
import { Icon, type IconName } from "../ui/Icon.tsx"
import { useModal } from "../ui/useModal.ts"
import { matches } from "./match.ts"
import styles from "./Palette.module.css"
import { palette } from "./sentences.ts"

type Entry = { key: string; label: string; icon: IconName; run: () => void }

const MAX_FOUND = 8

/** Finds diagrams and commands by typing; a combobox over a list (WAI-ARIA APG). */
export default function Palette({ onClose }: { onClose: () => void }) {
  const text = useSentences(palette)
  const id = useId()
  const dialog = useModal()
  const [typed, setTyped] = useState("")
  const [at, setAt] = useState(0)
  const found = useFound(useDeferredValue(typed))
  const commands = useCommands().filter(({ label }) => matches(label, typed))
  const entries = [...found, ...commands]
  const active = entries[Math.min(at, entries.length - 1)]

  function choose(entry: Entry | undefined) {
    if (!entry) return
    onClose()
    entry.run()
  }
  function onKeyDown(event: KeyboardEvent) {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 }
    const step = steps[event.key]
    if (step !== undefined && entries.length > 0) {
      event.preventDefault()
      setAt((Math.min(at, entries.length - 1) + step + entries.length) % entries.length)
    }
    if (event.key === "Enter") choose(active)
  }
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it as well
    <dialog
      ref={dialog}
      className={styles.palette}
      aria-label={text.title}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onClick={(event) => {
        if (event.target === dialog.current) onClose()
      }}
    >
      <div className={styles.inside}>
        <input
          className={styles.input}
          role="combobox"
          aria-expanded="true"
          aria-controls={`${id}-list`}
          aria-activedescendant={active ? `${id}-${active.key}` : undefined}
          aria-label={text.placeholder}
          placeholder={text.placeholder}
          autoComplete="off"
          autoFocus
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value)
            setAt(0)
          }}
          onKeyDown={onKeyDown}
        />
        <div id={`${id}-list`} role="listbox" aria-label={text.title} className={styles.list}>
          {entries.map((entry, place) => (
            // biome-ignore lint/a11y/useFocusableInteractive: the input has the focus, and names the active one
            // biome-ignore lint/a11y/useKeyWithClickEvents: the input takes the keys
            <div
              key={entry.key}
              id={`${id}-${entry.key}`}
              role="option"
              aria-selected={entry === active}
              className={styles.entry}
              ref={entry === active ? (row) => row?.scrollIntoView({ block: "nearest" }) : undefined}
              onPointerMove={() => setAt(place)}
              onClick={() => choose(entry)}
            >
              <Icon name={entry.icon} />
              <span>{entry.label}</span>
            </div>
          ))}
        </div>
        {entries.length === 0 ? <p className={styles.nothing}>{text.nothing}</p> : null}
      </div>
    </dialog>
  )
}

function useFound(typed: string): Entry[] {
  const [, navigate] = useLocation()
  const q = typed.trim()
  const found = useQuery({
    queryKey: [LISTS, "palette", q],
    queryFn: async ({ signal }) => {
      const query = q ? { q, limit: MAX_FOUND } : { view: "recent" as const, limit: 5 }
      return dataOf(await api.GET("/api/diagrams", { signal, params: { query } }))
    },
    placeholderData: (previous) => previous,
  })
  return (found.data?.items ?? []).map(({ id, title, type }) => ({
    key: id,
    label: title,
    icon: ICONS[type],
    run: () => navigate(`/d/${id}`),
  }))
}

function useCommands(): Entry[] {
  const text = useSentences(palette)
  const { kinds } = useSentences(dashboard)
  const { begin } = useCreate()
  const [, navigate] = useLocation()
  const me = useQuery(meQuery).data
  const isAdmin = me?.roles.includes("admin") ?? false
  const places: [keyof typeof text.go, string, IconName][] = [
    ["all", "/", "grid"],
    ["recent", "/recent", "clock"],
    ["trash", "/trash", "trash"],
    ["account", "/account", "account"],
    ...(isAdmin ? [["status", "/status", "pulse"] satisfies [keyof typeof text.go, string, IconName]] : []),
  ]
  return [
    ...KINDS.map((kind) => ({
      key: `new-${kind}`,
      label: text.create(kinds[kind]),
      icon: BEGINS[kind].icon,
      run: () => void begin(kind),
    })),
    ...places.map(([place, path, icon]) => ({
      key: `go-${place}`,
      label: text.go[place],
      icon,
      run: () => navigate(path),
    })),
    ...THEMES.map((each) => ({
      key: `theme-${each}`,
      label: text.theme[each],
      icon: each === "dark" ? ("moon" as const) : ("sun" as const),
      run: () => theme.choose(each),
    })),
    { key: "sign-out", label: text.signOut, icon: "close", run: () => void leaving.signOut(me?.id) },
  ]
}
