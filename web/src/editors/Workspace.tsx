/** One diagram being edited: its bar, its editor, and what there is to say of saving. */
import { lazy, Suspense, useState, useSyncExternalStore } from "react"
import { Link } from "wouter"
import { useSentences } from "../i18n/catalogue.ts"
import type { Saver } from "../saving/saver.ts"
import type { Diagram } from "../saving/server.ts"
import { useSaver } from "../saving/useSaver.ts"
import { Icon } from "../ui/Icon.tsx"
import { useTitle } from "../ui/useTitle.ts"
import styles from "./DiagramPage.module.css"
import { Skeleton } from "./DiagramPage.tsx"
import { Notices } from "./Notices.tsx"
import { EDITORS, kindOf } from "./registry.ts"
import { page } from "./sentences.ts"
import { Title } from "./Title.tsx"

const VersionsPanel = lazy(() => import("../versions/Panel.tsx"))

type WorkspaceProps = { diagram: Diagram; account: string }

export default function Workspace({ diagram, account }: WorkspaceProps) {
  const saver = useSaver(diagram, account)
  return saver ? <Open diagram={diagram} account={account} saver={saver} /> : <Skeleton />
}

function Open({ diagram, account, saver }: WorkspaceProps & { saver: Saver }) {
  const said = useSentences(page)
  const state = useSyncExternalStore(saver.subscribe, saver.state)
  const [versions, setVersions] = useState(false)
  const [initial] = useState(() => saver.now())
  const [kind] = useState(() => kindOf({ type: diagram.type, note_content: initial.note_content }))
  const readOnly = diagram.permission === "view" || diagram.deleted_at !== null
  const Editor = EDITORS[kind]

  useTitle(state.title)

  return (
    <main className={styles.page}>
      <header className={styles.bar}>
        <Link href="/" className={styles.back} aria-label={said.back} title={said.back}>
          <Icon name="back" size={20} />
        </Link>
        <h1 className={styles.heading}>
          <Title title={state.title} readOnly={readOnly} onChange={saver.retitle} />
          <span className={styles.kind}>{said.kinds[kind]}</span>
        </h1>
        <output className={styles.state} data-state={state.saving} data-kept={state.kept} aria-live="polite">
          {readOnly ? said.readOnly : said.state[state.saving]}
        </output>
        <button
          type="button"
          className={styles.tool}
          aria-label={said.versions}
          aria-expanded={versions}
          onClick={() => setVersions(!versions)}
        >
          <Icon name="clock" size={18} />
          <span className={styles.label}>{said.versions}</span>
        </button>
      </header>
      <div className={styles.notices}>
        <Notices saver={saver} state={state} diagram={diagram} />
      </div>
      <div className={styles.body}>
        <div className={styles.editor}>
          <Suspense fallback={<div className={styles.blank} aria-busy="true" />}>
            <Editor
              id={diagram.id}
              initial={initial}
              readOnly={readOnly}
              state={state.saving}
              onEdit={saver.edit}
              ref={saver.attach}
            />
          </Suspense>
        </div>
        {versions && (
          <Suspense fallback={null}>
            <VersionsPanel
              diagram={diagram}
              account={account}
              saver={saver}
              readOnly={readOnly}
              onClose={() => setVersions(false)}
            />
          </Suspense>
        )}
      </div>
    </main>
  )
}
