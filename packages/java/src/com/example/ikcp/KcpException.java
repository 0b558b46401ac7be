package com.example.ikcp;

/** What the library refuses. */
public class KcpException extends RuntimeException {
    private static final long serialVersionUID = 1;
    private final int code;

    KcpException(String message, int code) {
        super(message);
        this.code = code;
    }

    /** What the function of C returned. */
    public int code() {
        return code;
    }
}
