import "./theme.css"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { session } from "../api/session.ts"
import { language } from "../i18n/language.ts"
import { App } from "./App.tsx"
import { theme } from "./theme.ts"

document.documentElement.lang = language.get()
theme.begin()
const root = document.getElementById("root")
if (!root) throw new Error("index.html has no root")
void session.begin()
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
