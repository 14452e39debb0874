import { lazy, Suspense, useEffect, useState, useSyncExternalStore } from "react"
import { session } from "../api/session.ts"
import { useSentences } from "../i18n/catalogue.ts"
import { Button } from "../ui/Button.tsx"
import { EmptyState } from "../ui/EmptyState.tsx"
import { ErrorBoundary } from "./ErrorBoundary.tsx"
import { SignIn } from "./SignIn.tsx"
import { app } from "./sentences.ts"

const SignedIn = lazy(() => import("./SignedIn.tsx"))

export function App() {
  const state = useSyncExternalStore(session.subscribe, session.state)
  const { unreachable } = useSentences(app)
  // What is open stays as it is while a session that ended is begun again.
  if (state === "signed-in" || state === "expired") {
    return (
      <ErrorBoundary>
        <Suspense fallback={null}>
          <SignedIn />
        </Suspense>
      </ErrorBoundary>
    )
  }
  if (state === "signed-out") return <SignIn />
  if (state === "unknown") return null
  return (
    <main>
      <EmptyState
        icon="warning"
        title={unreachable.title}
        actions={
          <Button kind="primary" onClick={() => void session.begin()}>
            {unreachable.again}
          </Button>
        }
      >
        {unreachable.text}
      </EmptyState>
      <AskAgain />
    </main>
  )
}

const FIRST_WAIT_MS = 2_000
const LONGEST_WAIT_MS = 30_000

function AskAgain() {
  const [wait, setWait] = useState(FIRST_WAIT_MS)
  useEffect(() => {
    const timer = setTimeout(() => {
      void session.begin().then(() => setWait(Math.min(LONGEST_WAIT_MS, wait * 2)))
    }, wait)
    return () => clearTimeout(timer)
  }, [wait])
  return null
}
