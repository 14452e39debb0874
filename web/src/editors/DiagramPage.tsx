/** The page of one diagram: loads it, and says what is the matter if it cannot. */
import { useQuery } from "@tanstack/react-query"
import { lazy, Suspense, useEffect, useState } from "react"
import { Link, useParams } from "wouter"
import { refusedOf } from "../api/problems.ts"
import { meQuery } from "../api/queries.ts"
import { useSentences } from "../i18n/catalogue.ts"
import { unsent } from "../saving/drafts.ts"
import styles from "./DiagramPage.module.css"
import { useCountedView, useDiagram } from "./queries.ts"
import { page } from "./sentences.ts"

const Workspace = lazy(() => import("./Workspace.tsx"))

export default function DiagramPage() {
  const { id = "" } = useParams<{ id: string }>()
  const diagram = useDiagram(id)
  const me = useQuery(meQuery)
  useCountedView(id, diagram.data?.deleted_at === null)
  const error = diagram.error ?? me.error
  if (error) return <Failed id={id} account={me.data?.id} error={error} again={() => void diagram.refetch()} />
  if (!diagram.data || !me.data) return <Skeleton />
  return (
    <Suspense fallback={<Skeleton />}>
      <Workspace key={id} diagram={diagram.data} account={me.data.id} />
    </Suspense>
  )
}

export function Skeleton() {
  const said = useSentences(page)
  return (
    <main className={styles.page} aria-busy="true">
      <header className={styles.bar}>
        <span className={styles.bone} />
        <output className={styles.hidden}>{said.loading}</output>
      </header>
      <div className={styles.blank} />
    </main>
  )
}

type FailedProps = { id: string; account: string | undefined; error: Error; again: () => void }

function Failed({ id, account, error, again }: FailedProps) {
  const said = useSentences(page)
  const [left, setLeft] = useState(false)
  useEffect(() => {
    if (account) void unsent(account).then((ids) => setLeft(ids.includes(id)))
  }, [account, id])
  const status = refusedOf(error)?.status ?? 0
  const known = { 403: said.forbidden, 404: said.missing, 422: said.missing }[status]
  const { title, text } = known ?? said.failed
  return (
    <main className={styles.failed}>
      <h1>{title}</h1>
      <p>{text}</p>
      {left && known && <p>{said.missing.drafts}</p>}
      <p className={styles.choices}>
        <Link href="/" className={styles.button}>
          {said.back}
        </Link>
        {!known && (
          <button type="button" className={styles.primary} onClick={again}>
            {said.failed.again}
          </button>
        )}
      </p>
    </main>
  )
}
