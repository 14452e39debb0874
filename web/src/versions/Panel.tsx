/** The versions of a diagram: who made each and when, its name, and what can be done with it. */
import { lazy, Suspense, useState, useSyncExternalStore } from "react"
import { useSentences } from "../i18n/catalogue.ts"
import { absolute, relative } from "../i18n/dates.ts"
import type { Saver } from "../saving/saver.ts"
import type { Diagram } from "../saving/server.ts"
import type { Side } from "./Look.tsx"
import styles from "./Panel.module.css"
import { useLabel, useRestore, useVersion, useVersions, type VersionSummary } from "./queries.ts"
import { versions } from "./sentences.ts"

const Look = lazy(() => import("./Look.tsx"))

type PanelProps = { diagram: Diagram; account: string; saver: Saver; readOnly: boolean; onClose: () => void }
/** What is looked at: a version, or what changed from it to *to* (null: to what is there now). */
type Wanted = { from: number; compared: boolean; to: number | null }

export default function Panel({ diagram, account, saver, readOnly, onClose }: PanelProps) {
  const said = useSentences(versions)
  const list = useVersions(diagram.id)
  const restore = useRestore(diagram.id)
  const { saving } = useSyncExternalStore(saver.subscribe, saver.state)
  const [wanted, setWanted] = useState<Wanted | null>(null)
  const [picked, setPicked] = useState<number[]>([])
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  const [older, newer] = [...picked].sort((one, other) => one - other)

  async function bringBack(number: number): Promise<void> {
    await restore.mutateAsync({ number, revision: saver.revision }).catch(() => undefined)
    await saver.refresh()
  }

  return (
    <aside className={styles.panel} aria-label={said.title}>
      <header className={styles.head}>
        <h2>{said.title}</h2>
        <button type="button" className={styles.action} aria-label={said.close} onClick={onClose}>
          ✕
        </button>
      </header>
      {list.isPending && <div className={styles.bone} role="status" aria-label={said.loading} />}
      {list.isError && (
        <p className={styles.message} role="alert">
          {said.failed}{" "}
          <button type="button" className={styles.action} onClick={() => void list.refetch()}>
            {said.again}
          </button>
        </p>
      )}
      {restore.isError && (
        <p className={styles.message} role="alert">
          {said.restoreFailed}
        </p>
      )}
      {saving !== "clean" && <p className={styles.message}>{said.unsaved}</p>}
      {older !== undefined && newer !== undefined && (
        <p className={styles.message}>
          <button
            type="button"
            className={styles.action}
            onClick={() => setWanted({ from: older, compared: true, to: newer })}
          >
            {said.compareTwo(older, newer)}
          </button>
        </p>
      )}
      <ol className={styles.list} reversed>
        {items.map((version) => (
          <Item
            key={version.number}
            diagram={diagram.id}
            version={version}
            account={account}
            readOnly={readOnly}
            restorable={saving === "clean" && !restore.isPending}
            picked={picked.includes(version.number)}
            onPick={(on) =>
              setPicked(on ? [...picked.slice(-1), version.number] : picked.filter((each) => each !== version.number))
            }
            onLook={(compared) => setWanted({ from: version.number, compared, to: null })}
            onRestore={() => void bringBack(version.number)}
          />
        ))}
        {items.length === 1 && <li className={styles.message}>{said.empty}</li>}
        {list.hasNextPage && (
          <li className={styles.message}>
            <button type="button" className={styles.action} onClick={() => void list.fetchNextPage()}>
              {said.more}
            </button>
          </li>
        )}
      </ol>
      {wanted && <Shown diagram={diagram} wanted={wanted} saver={saver} onClose={() => setWanted(null)} />}
    </aside>
  )
}

type ItemProps = {
  diagram: string
  version: VersionSummary
  account: string
  readOnly: boolean
  restorable: boolean
  picked: boolean
  onPick: (on: boolean) => void
  onLook: (compared: boolean) => void
  onRestore: () => void
}

function Item({ diagram, version, account, readOnly, restorable, picked, ...on }: ItemProps) {
  const said = useSentences(versions)
  const at = version.updated_at ?? version.created_at
  const author = version.created_by === account ? said.you : said.another
  const who = version.created_by_producer ? `${said.program} (${version.created_by_producer})` : author
  return (
    <li className={styles.item}>
      <div className={styles.top}>
        <span>{said.number(version.number)}</span>
        <time className={styles.soft} dateTime={at} title={absolute(at)}>
          {relative(at)}
        </time>
      </div>
      <div className={styles.soft}>
        {who} · {absolute(at)}
        {version.open && ` · ${said.open}`}
        {version.restored_from && ` · ${said.restoredFrom(version.restored_from)}`}
      </div>
      <Label key={version.label} diagram={diagram} version={version} readOnly={readOnly} />
      <div className={styles.actions}>
        <button type="button" className={styles.action} onClick={() => on.onLook(false)}>
          {said.view}
        </button>
        <button type="button" className={styles.action} onClick={() => on.onLook(true)}>
          {said.compare}
        </button>
        {!readOnly && (
          <button type="button" className={styles.action} disabled={!restorable} onClick={on.onRestore}>
            {said.restore}
          </button>
        )}
        <label className={styles.pick} title={said.pick}>
          <input
            type="checkbox"
            aria-label={`${said.pick}: ${said.number(version.number)}`}
            checked={picked}
            onChange={(event) => on.onPick(event.target.checked)}
          />
        </label>
      </div>
    </li>
  )
}

function Label({ diagram, version, readOnly }: Pick<ItemProps, "diagram" | "version" | "readOnly">) {
  const said = useSentences(versions)
  const change = useLabel(diagram)
  const before = version.label ?? ""
  if (readOnly) return version.label && <div>{version.label}</div>
  return (
    <input
      className={styles.label}
      aria-label={`${said.label}: ${said.number(version.number)}`}
      placeholder={said.name}
      defaultValue={before}
      maxLength={255}
      onBlur={(event) => {
        const label = event.target.value.trim()
        if (label !== before) change.mutate({ number: version.number, label: label || null })
      }}
      onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
    />
  )
}

type ShownProps = { diagram: Diagram; wanted: Wanted; saver: Saver; onClose: () => void }

function Shown({ diagram, wanted, saver, onClose }: ShownProps) {
  const said = useSentences(versions)
  const from = useVersion(diagram.id, wanted.from, true)
  const to = useVersion(diagram.id, wanted.to, true)
  const [now] = useState(() => saver.now())
  if (!from.data || (wanted.to !== null && !to.data)) return null
  const version: Side = { ...from.data, label: said.number(wanted.from) }
  const after = to.data ? { ...to.data, label: said.number(to.data.number) } : { ...now, label: said.now }
  return (
    <Suspense fallback={null}>
      {wanted.compared ? (
        <Look before={version} after={after} onClose={onClose} />
      ) : (
        <Look before={null} after={version} onClose={onClose} />
      )}
    </Suspense>
  )
}
