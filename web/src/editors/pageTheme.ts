import { useSyncExternalStore } from "react"
import type { Theme } from "./code/protocol.ts"

const dark = matchMedia("(prefers-color-scheme: dark)")

/** What the page shows: the chosen theme, else the system's. */
export function pageTheme(): Theme {
  const chosen = document.documentElement.dataset.theme
  if (chosen === "light" || chosen === "dark") return chosen
  return dark.matches ? "dark" : "light"
}

function subscribe(listener: () => void): () => void {
  const observer = new MutationObserver(listener)
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] })
  dark.addEventListener("change", listener)
  return () => {
    observer.disconnect()
    dark.removeEventListener("change", listener)
  }
}

/** For what cannot follow the variables of CSS. */
export function usePageTheme(): Theme {
  return useSyncExternalStore(subscribe, pageTheme)
}
