import { QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { lazy, Suspense } from "react"
import { Redirect, Route, Switch } from "wouter"

const Dashboard = lazy(() => import("../dashboard/Dashboard.tsx"))
const DiagramPage = lazy(() => import("../editors/DiagramPage.tsx"))

const queries = new QueryClient({ defaultOptions: { queries: { staleTime: 10_000, retry: 1 } } })

/** All that needs a session; loaded after sign-in, so that the first page is small. */
export default function SignedIn() {
  return (
    <QueryClientProvider client={queries}>
      <Suspense fallback={null}>
        <Switch>
          <Route path="/" component={Dashboard} />
          <Route path="/d/:id" component={DiagramPage} />
          <Route>
            <Redirect to="/" />
          </Route>
        </Switch>
      </Suspense>
    </QueryClientProvider>
  )
}
