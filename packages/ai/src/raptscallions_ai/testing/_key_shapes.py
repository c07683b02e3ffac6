"""What keys look like: one table, so that no key is written into a cassette, whoever issued it."""

from __future__ import annotations

import re

__all__ = ["KEY_SHAPES", "SOURCES"]

SOURCES = (
    "https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml",
    "https://docs.github.com/en/code-security/secret-scanning/introduction/supported-secret-scanning-patterns",
    "https://github.com/trufflesecurity/trufflehog/tree/main/pkg/detectors",
)
"""Where the shapes below are described; their issuers' own pages mostly show an example only."""

# Who issues it, and its shape. The shapes are a little wider than those of scanners, which must not cry wolf: to hide
# too much of a recording costs little.
_SHAPES: tuple[tuple[str, str], ...] = (
    # models
    ("OpenAI, Anthropic, OpenRouter, DeepSeek, LiteLLM, Langfuse and others", r"(?:sk|pk|rk)-[\w-]{16,}"),
    ("Groq", r"gsk_\w{20,}"),
    ("xAI", r"xai-[\w-]{20,}"),
    ("Perplexity", r"pplx-\w{20,}"),
    ("Cerebras", r"csk-\w{20,}"),
    ("NVIDIA", r"nvapi-[\w-]{20,}"),
    ("Together", r"tgp_v1_[\w-]{20,}"),
    ("Fireworks", r"fw_\w{16,}"),
    ("Replicate", r"r8_\w{20,}"),
    ("Hugging Face", r"(?:hf|api_org)_\w{20,}"),
    ("Vercel", r"(?:vck|vcp|vci|vca|vcr)_\w{20,}"),
    ("Databricks", r"dapi[0-9a-f]{32}(?:-\d)?"),
    ("Voyage", r"pa-[\w-]{30,}"),
    ("Jina", r"jina_\w{20,}"),
    ("ElevenLabs, Stripe and others", r"(?:sk|rk|pk)_(?:live_|test_|prod_)?\w{16,}"),
    # what is beside models
    ("Tavily", r"tvly-[\w-]{16,}"),
    ("Firecrawl", r"fc-[0-9a-f]{32}"),
    ("Pinecone", r"pcsk_\w{20,}"),
    ("LangSmith", r"ls(?:v2_(?:pt|sk)|__)_?\w{20,}"),
    ("Grafana", r"gl(?:c|sa)_[\w+/=-]{20,}"),
    ("Sentry", r"sntr(?:ys|yu)_[\w+/=-]{20,}"),
    # clouds
    ("AWS", r"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}"),
    ("AWS Bedrock", r"(?:ABSK[\w+/=]{40,}|bedrock-api-key-[\w+/=]{20,})"),
    ("Google", r"AIza[\w-]{30,}"),
    ("Google OAuth", r"(?:ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}|1//0[\w-]{30,})"),
    ("Azure storage and its like", r"(?:AccountKey|SharedAccessKey|SharedAccessSignature)=[\w+/=%-]{20,}"),
    ("DigitalOcean", r"do[opr]_v1_[0-9a-f]{40,}"),
    ("HashiCorp Vault", r"hv[sbr]\.[\w-]{20,}"),
    ("Doppler", r"dp\.(?:pt|st|sa|ct|scim)\.\w{20,}"),
    ("Supabase", r"sb(?:p|_secret|_publishable)_[\w-]{20,}"),
    # code and packages
    ("GitHub", r"(?:gh[pousr]_\w{20,}|github_pat_\w{20,})"),
    ("GitLab", r"gl(?:pat|dt|rt|cbt|ptt|soat)-[\w.-]{20,}"),
    ("npm", r"npm_\w{30,}"),
    ("PyPI", r"pypi-AgE[\w-]{20,}"),
    ("Atlassian", r"ATATT3[\w=-]{20,}"),
    # messages and the rest
    ("Slack", r"(?:xox[a-z]-[\w-]{10,}|xapp-[\w-]{20,}|hooks\.slack\.com/services/[\w/]{20,})"),
    ("Telegram", r"\d{8,10}:AA[\w-]{30,}"),
    ("SendGrid", r"SG\.[\w-]{16,}\.[\w-]{16,}"),
    ("Twilio", r"SK[0-9a-f]{32}"),
    ("Shopify", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("Notion", r"(?:ntn_\w{40,}|secret_\w{43})"),
    ("Linear", r"lin_api_\w{30,}"),
    ("Figma", r"figd_[\w-]{30,}"),
    ("Airtable", r"pat\w{14}\.[0-9a-f]{64}"),
    ("PostHog", r"ph[cx]_\w{30,}"),
    ("age", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    # of no issuer
    ("a JSON web token", r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"),
    ("the password in a URL", r"(?<=://)[^\s/:@\"'\\]{0,100}:[^\s/@\"'\\]{3,200}(?=@)"),
)

KEY_SHAPES: tuple[re.Pattern[str], ...] = (
    re.compile("|".join(rf"(?:(?<![A-Za-z0-9]){shape})" for _, shape in _SHAPES)),
    # A private key has lines, or their escapes, in it.
    re.compile(
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.{20,}?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
    ),
)
"""What looks like a key; the whole match is one."""
