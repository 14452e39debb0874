import { useSyncExternalStore } from "react"
import type { Theme } from "./protocol.ts"

const dark = matchMedia("(prefers-color-scheme: dark)")

export function pageTheme(): Theme {
  const chosen = document.documentElement.dataset.theme
  if (chosen === "light" || chosen === "dark") return chosen
  return dark.matches ? "dark" : "light"
}

function subscribe(listener: () => void): () => void {
  const observer = new MutationObserver(listener)
  observer.observe(document.documentElement, { attributeFilter: ["data-theme"] })
  dark.addEventListener("change", listener)
  return () => {
    observer.disconnect()
    dark.removeEventListener("change", listener)
  }
}

/** The theme that is shown, for what cannot follow the variables of CSS. */
export const usePageTheme = (): Theme => useSyncExternalStore(subscribe, pageTheme)
