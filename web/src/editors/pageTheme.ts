import { useSyncExternalStore } from "react"

const dark = matchMedia("(prefers-color-scheme: dark)")

function now(): "light" | "dark" {
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

/** What the page shows: the chosen theme, else the system's. */
export function usePageTheme(): "light" | "dark" {
  return useSyncExternalStore(subscribe, now)
}
