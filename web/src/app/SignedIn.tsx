import { QueryClientProvider, useQuery } from "@tanstack/react-query"
import { lazy, Suspense, useEffect, useRef, useState, useSyncExternalStore } from "react"
import { Link, Route, Switch } from "wouter"
import { meQuery, newQueryClient } from "../api/queries.ts"
import { session } from "../api/session.ts"
import { useSentences } from "../i18n/catalogue.ts"
import { Button } from "../ui/Button.tsx"
import { Dialog, DialogActions } from "../ui/Dialog.tsx"
import { EmptyState } from "../ui/EmptyState.tsx"
import { Toasts } from "../ui/Toasts.tsx"
import { EntryForm } from "./Entry.tsx"
import { Header } from "./Header.tsx"
import { leaving } from "./leaving.ts"
import styles from "./SignedIn.module.css"
import { app } from "./sentences.ts"

const Dashboard = lazy(() => import("../dashboard/Dashboard.tsx"))
const DiagramPage = lazy(() => import("../editors/DiagramPage.tsx"))
const Account = lazy(() => import("../account/Account.tsx"))
const Status = lazy(() => import("../status/Status.tsx"))
const Palette = lazy(() => import("../palette/Palette.tsx"))

const queries = newQueryClient()

/** All that needs a session; loaded after sign-in, so that the first page is small. */
export default function SignedIn() {
  return (
    <QueryClientProvider client={queries}>
      <Shell />
    </QueryClientProvider>
  )
}

function Shell() {
  const text = useSentences(app)
  const [finding, setFinding] = useState(false)
  const isExpired = useSyncExternalStore(session.subscribe, session.state) === "expired"
  const isOnline = useSyncExternalStore(subscribeOnline, () => navigator.onLine)
  useShortcut(() => setFinding((open) => !open))
  return (
    <div className={styles.shell}>
      <a href="#content" className={styles.skip}>
        {text.header.skip}
      </a>
      <Header onFind={() => setFinding(true)} />
      {isOnline ? null : (
        <p className={styles.offline} role="status">
          {text.offline}
        </p>
      )}
      {/* biome-ignore lint/correctness/useUniqueElementIds: the one content of the page, which its first link names */}
      <div id="content" className={styles.content} tabIndex={-1}>
        <Suspense fallback={<p className="visually-hidden">{text.loading}</p>}>
          <Switch>
            <Route path="/" component={Dashboard} />
            <Route path="/recent" component={Dashboard} />
            <Route path="/trash" component={Dashboard} />
            <Route path="/d/:id" component={DiagramPage} />
            <Route path="/account" component={Account} />
            <Route path="/status" component={Status} />
            <Route component={NotFound} />
          </Switch>
        </Suspense>
      </div>
      {finding ? (
        <Suspense fallback={null}>
          <Palette onClose={() => setFinding(false)} />
        </Suspense>
      ) : null}
      {isExpired ? <SignInAgain /> : null}
      <Leaving />
      <SamePerson />
      <Toasts close={text.close} />
    </div>
  )
}

function subscribeOnline(listener: () => void): () => void {
  addEventListener("online", listener)
  addEventListener("offline", listener)
  return () => {
    removeEventListener("online", listener)
    removeEventListener("offline", listener)
  }
}

/** Ctrl+K, or Command+K. */
function useShortcut(run: () => void): void {
  const latest = useRef(run)
  latest.current = run
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return
      event.preventDefault()
      event.stopPropagation()
      latest.current()
    }
    addEventListener("keydown", onKey, { capture: true })
    return () => removeEventListener("keydown", onKey, { capture: true })
  }, [])
}

/** Over what is open, which stays: a session that ended in the middle of work costs nothing. */
function SignInAgain() {
  const { expired } = useSentences(app)
  return (
    <Dialog title={expired.title} close={null} onClose={() => undefined}>
      <p className={styles.again}>{expired.text}</p>
      <EntryForm onDone={() => void queries.invalidateQueries()} />
    </Dialog>
  )
}

function Leaving() {
  const { leave } = useSentences(app)
  const drafts = useSyncExternalStore(leaving.subscribe, leaving.drafts)
  if (drafts === 0) return null
  return (
    <Dialog title={leave.title} close={leave.stay} onClose={leaving.stay}>
      <p>{leave.text(drafts)}</p>
      <DialogActions>
        <Button autoFocus onClick={leaving.stay}>
          {leave.stay}
        </Button>
        <Button kind="danger" onClick={() => void leaving.signOutAnyway()}>
          {leave.anyway}
        </Button>
      </DialogActions>
    </Dialog>
  )
}

/** Drafts and lists are one person's: for another one, who signed in here or in another tab, the page begins again. */
function SamePerson() {
  const me = useQuery(meQuery)
  const first = useRef<string | undefined>(undefined)
  const id = me.data?.id
  useEffect(() => {
    if (id === undefined) return
    if (first.current !== undefined && first.current !== id) location.assign("/")
    first.current = id
  }, [id])
  useEffect(
    () =>
      session.subscribe(() => {
        if (session.state() === "signed-in") void queries.invalidateQueries({ queryKey: meQuery.queryKey })
      }),
    [],
  )
  return null
}

function NotFound() {
  const { notFound } = useSentences(app)
  return (
    <main>
      <EmptyState icon="search" title={notFound.title} actions={<Link href="/">{notFound.home}</Link>}>
        {notFound.text}
      </EmptyState>
    </main>
  )
}
