import { Component, type ReactNode } from "react"
import { sentences } from "../i18n/catalogue.ts"
import { Button } from "../ui/Button.tsx"
import { EmptyState } from "../ui/EmptyState.tsx"
import { app } from "./sentences.ts"

/** Instead of an empty page: says what failed, and offers a way out. */
// biome-ignore lint/style/useReactFunctionComponents: React catches errors in classes only
export class ErrorBoundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false }

  static getDerivedStateFromError() {
    return { failed: true }
  }

  override render() {
    if (!this.state.failed) return this.props.children
    const { crashed } = sentences(app)
    return (
      <main>
        <EmptyState
          icon="warning"
          title={crashed.title}
          actions={
            <Button kind="primary" onClick={() => location.reload()}>
              {crashed.reload}
            </Button>
          }
        >
          {crashed.text}
        </EmptyState>
      </main>
    )
  }
}
