# SPDX-License-Identifier: Apache-2.0
"""避難所チェックイン and 子どもの見守り (U7): who is where, for those whom the person named."""
