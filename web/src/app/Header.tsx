import { useQuery } from "@tanstack/react-query"
import { useSyncExternalStore } from "react"
import { Link, useLocation } from "wouter"
import { meQuery } from "../api/queries.ts"
import { useSentences } from "../i18n/catalogue.ts"
import { LANGUAGES, language } from "../i18n/language.ts"
import { Button, IconButton } from "../ui/Button.tsx"
import { Mark } from "../ui/Icon.tsx"
import { Menu, type MenuItem } from "../ui/Menu.tsx"
import { leaving } from "./leaving.ts"
import styles from "./SignedIn.module.css"
import { app } from "./sentences.ts"
import { THEMES, theme } from "./theme.ts"

const IS_APPLE = /Mac|iPhone|iPad/.test(navigator.platform)
const FIND_KEYS = IS_APPLE ? "⌘ K" : "Ctrl K"

export function Header({ onFind }: { onFind: () => void }) {
  const { header } = useSentences(app)
  const [, navigate] = useLocation()
  const me = useQuery(meQuery).data
  const chosenTheme = useSyncExternalStore(theme.subscribe, theme.get)
  const chosenLanguage = useSyncExternalStore(language.subscribe, language.get)
  const places: MenuItem[] = [{ label: header.account, icon: "account", run: () => navigate("/account") }]
  if (me?.roles.includes("admin")) {
    places.push({ label: header.status, icon: "pulse", run: () => navigate("/status") })
  }
  places.push({ label: header.apiDocs, icon: "code", run: () => window.open("/api/docs/try", "_blank", "noopener") })
  return (
    <header className={styles.header}>
      <Link href="/" className={styles.home} aria-label={`AutoGraph: ${header.diagrams}`}>
        <Mark />
        <span>AutoGraph</span>
      </Link>
      <Button
        kind="quiet"
        icon="search"
        className={styles.find}
        onClick={onFind}
        aria-label={`${header.search} ${FIND_KEYS}`}
      >
        <span>{header.search}</span> <kbd>{FIND_KEYS}</kbd>
      </Button>
      <Menu
        trigger={<IconButton icon="account" label={me ? `${header.menu}: ${me.name ?? me.email}` : header.menu} />}
        groups={[
          places,
          THEMES.map((each) => ({
            label: `${header.theme.label}: ${header.theme[each]}`,
            checked: each === chosenTheme,
            run: () => theme.choose(each),
          })),
          LANGUAGES.map((each) => ({
            label: header.languages[each],
            checked: each === chosenLanguage,
            run: () => language.choose(each),
          })),
          [{ label: header.signOut, icon: "close", run: () => void leaving.signOut(me?.id) }],
        ]}
      />
    </header>
  )
}
