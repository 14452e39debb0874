import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join, relative, sep } from "node:path"
import { fileURLToPath } from "node:url"
import type { Plugin } from "vite"

const WEB = fileURLToPath(new URL("..", import.meta.url))
const FONTS = join(WEB, "node_modules/@excalidraw/excalidraw/dist/prod/fonts")
/** 12.7 of 13.2 MB: Chinese handwriting. Text in it is shown in a font of the system. */
const OMITTED_FONT = "Xiaolai"
/** What the page is built from, beside `src`, `build` and `public`. */
const SOURCES = [
  "index.html",
  "mermaid-frame.html",
  "api-docs.html",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "vite.config.ts",
]
const SOURCE_FOLDERS = ["build", "public", "src"]

function filesIn(folder: string): string[] {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name)
      return statSync(path).isDirectory() ? filesIn(path) : [path]
    })
}

/** Excalidraw's fonts beside the page, where `EXCALIDRAW_ASSET_PATH` points. */
export const fontsOfExcalidraw: Plugin = {
  name: "fonts-of-excalidraw",
  generateBundle() {
    for (const path of filesIn(FONTS)) {
      const name = relative(FONTS, path).split(sep).join("/")
      if (name.startsWith(`${OMITTED_FONT}/`)) continue
      this.emitFile({ type: "asset", fileName: `excalidraw/fonts/${name}`, source: readFileSync(path) })
    }
  },
}

/** The licence texts of all packages of which a module is in the build. */
export const licences: Plugin = {
  name: "licences",
  generateBundle(_options, bundle) {
    const folders = new Set<string>()
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== "chunk") continue
      for (const id of chunk.moduleIds) {
        const found = /^(.*node_modules[/\\](?:@[^/\\]+[/\\])?[^/\\]+)[/\\]/.exec(id.replace(/^\0/, ""))
        if (found?.[1] && existsSync(join(found[1], "package.json"))) folders.add(found[1])
      }
    }
    const texts = [...folders].map(licenceOf).sort()
    this.emitFile({ type: "asset", fileName: "licences.txt", source: [...new Set(texts)].join("\n\n") })
  },
}

function licenceOf(folder: string): string {
  const described = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, string>
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name))
  const text = file
    ? readFileSync(join(folder, file), "utf8").trim()
    : `Licence: ${described.license ?? "see its source"}`
  return `${described.name} ${described.version}\n${"-".repeat(40)}\n${text}`
}

/** SHA-256 over the sources, by which `make check` sees without a build that the committed page is theirs. */
export const sourceDigest: Plugin = {
  name: "source-digest",
  generateBundle() {
    const paths = [
      ...SOURCES.map((name) => join(WEB, name)),
      ...SOURCE_FOLDERS.flatMap((name) => filesIn(join(WEB, name))),
    ]
    const names = paths.map((path) => relative(WEB, path).split(sep).join("/")).sort()
    const digest = createHash("sha256")
    for (const name of names) {
      if (name.endsWith(".test.ts") || name.endsWith(".test.tsx")) continue
      const content = createHash("sha256")
        .update(readFileSync(join(WEB, name)))
        .digest("hex")
      digest.update(`${content}  ${name}\n`)
    }
    this.emitFile({ type: "asset", fileName: "source.sha256", source: `${digest.digest("hex")}\n` })
  },
}
