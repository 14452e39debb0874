import { lazy, Suspense, useSyncExternalStore } from "react"
import { session } from "../api/session.ts"
import { SignIn } from "./SignIn.tsx"

const SignedIn = lazy(() => import("./SignedIn.tsx"))

export function App() {
  const state = useSyncExternalStore(session.subscribe, session.state)
  if (state === "unknown") return null
  if (state === "signed-out") return <SignIn />
  return (
    <Suspense fallback={null}>
      <SignedIn />
    </Suspense>
  )
}
