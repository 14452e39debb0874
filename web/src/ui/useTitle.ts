import { useEffect } from "react"

/** Shows *title* as that of the browser's tab, as long as the component is there. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · AutoGraph`
    return () => {
      document.title = "AutoGraph"
    }
  }, [title])
}
