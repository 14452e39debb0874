import { fileURLToPath } from "node:url"
import type { Plugin } from "vite"

const EXCALIDRAW = "@excalidraw/excalidraw/dist/prod"

/**
 * Excalidraw names a public CDN as a second source of each font, which our policy forbids and a closed network lacks
 * (excalidraw#11639). The build fails if an update of Excalidraw moved the address.
 */
export const ownFontsOnly: Plugin = {
  name: "own-fonts-only",
  enforce: "pre",
  transform(code, id) {
    if (!id.includes(EXCALIDRAW) || !code.includes("https://esm.sh/")) return null
    const found = code.match(/`https:\/\/esm\.sh\/\$\{[^`]*`[^`]*`[^`]*\}\/dist\/prod\/`/g)
    const [address] = found ?? []
    if (found?.length !== 1 || address === undefined) {
      throw new Error("The address of Excalidraw's fonts is not where it was")
    }
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is code of the page
    return { code: code.replace(address, "`${location.origin}/excalidraw/`"), map: null }
  },
}

/** Excalidraw's Mermaid dialog draws with the sandboxed frame that previews use: Mermaid does not run in the page itself. */
export const converterInFrame: Plugin = {
  name: "converter-in-frame",
  enforce: "pre",
  resolveId(source, importer) {
    if (source !== "@excalidraw/mermaid-to-excalidraw" || !importer?.includes("@excalidraw/excalidraw/dist"))
      return null
    return fileURLToPath(new URL("../src/editors/canvas/mermaid.ts", import.meta.url))
  },
}
