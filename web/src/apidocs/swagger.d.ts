declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  type SentRequest = { headers: Record<string, string> }
  type Options = {
    url: string
    dom_id: string
    deepLinking: boolean
    displayRequestDuration: boolean
    docExpansion: "list" | "full" | "none"
    validatorUrl: string | null
    requestInterceptor: (request: SentRequest) => SentRequest
  }
  export default function SwaggerUIBundle(options: Options): unknown
}
